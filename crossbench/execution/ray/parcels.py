"""What runs read beside the installed packages, as it is sent to another machine.

Plugin files and a card of the user's own are small and travel with each group, by content. Data
files, with the card where they lie beside it, and checkpoints are named, for they may lie at the
same path there; they are sent where they do not, in pieces, once for all runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.data.embedded import embedded_file
from crossbench.data.sources import data_files
from crossbench.errors import RequestError
from crossbench.execution.ray.shelf import MARK
from crossbench.execution.simulation import Data
from crossbench.files.hashing import hash_file
from crossbench.registry.claims import plugin_path
from crossbench.registry.method_identity import identify, sources
from crossbench.registry.plugin_files import PLUGIN, imports_from
from crossbench.registry.tasks import registered_task
from crossbench.runs.samples import choose_data
from crossbench.specs import RANDOM
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.methods import Method
    from crossbench.runs.plan import Plan, TaskPlan
    from crossbench.specs import TaskCard
    from crossbench.specs.requests import RunRequest

_CODE, _CARD, _DATA, _INIT = "code", "card", "data", "init"
_BANDWIDTH = 125e6  # bytes a second
_PIECE = 16 * 2**20  # bytes sent at a time: an object store holds several, however small


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Large files below a folder.

    Attributes:
        root: The folder.
        files: Where each lies here, by its place in the tree.
    """

    root: Path
    files: dict[str, Path]

    @cached_property
    def states(self) -> list[dict[str, Any]]:
        """Path, size and time of change of each file, as :func:`..shelf.is_here` takes them."""
        states = [(path, path.stat()) for path in self.files.values()]
        return [
            {"path": str(path), "size": state.st_size, "changed": state.st_mtime_ns}
            for path, state in states
        ]

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file by its place."""
        return {place: hash_file(path) for place, path in self.files.items()}

    def pieces(self, place: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self.files[place].open("rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What the runs on one task read.

    Attributes:
        request: The request as JSON, in which :data:`MARK` stands around the names of trees.
        carried: Files that travel with each group, by tree and place.
        trees: Those that are sent where they do not lie already.
    """

    request: dict[str, Any]
    carried: dict[str, dict[str, bytes]] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)


def pack(plan: Plan, task: TaskPlan) -> Parcel:
    """Everything that the runs of a task read.

    Raises:
        RequestError: If a plugin imports a file that lies outside of its folder.
    """
    asked = plan.request.asked
    trees: dict[str, Tree] = {}
    plugins, carried = pack_plugins(asked.plugins, plan.request.methods)
    tested, *fitted = (
        _named(card, f"{_CARD}{number or ''}", carried, trees)
        for number, card in enumerate(task.card.parts)
    )
    data_dir = None
    if files := _data(plan, task):
        trees[_DATA], data_dir = files, _place(_DATA)
    init = asked.init
    if (found := _checkpoints(asked, task)) is not None:
        trees[_INIT], init = found
    request = replace(
        asked,
        tasks=(tested,),
        train_task=fitted[0] if fitted else None,
        plugins=plugins,
        data_dir=data_dir,
        init=init,
        limit=None,
    )
    return Parcel(request=to_mapping(request), carried=carried, trees=trees)


def data_to_send(plan: Plan, task: TaskPlan) -> Data:
    """What sending a task's data to a machine takes, over a network of a gigabit a second."""
    tree = _data(plan, task)
    size = sum(path.stat().st_size for path in tree.files.values()) if tree else 0
    return Data(task=task.card.name, seconds=size / _BANDWIDTH)


def _named(
    card: TaskCard, tree: str, carried: dict[str, dict[str, bytes]], trees: dict[str, Tree]
) -> str:
    """A task as the request names it; a card that is not registered goes with what it ships."""
    path = card.path
    if path is None or registered_task(card.name) is not None:
        return card.name
    if card.embedded:
        beside = embedded_file(card)
        place = beside.relative_to(path.parent).as_posix()
        trees[tree] = Tree(root=path.parent, files={path.name: path, place: beside})
    else:
        carried[tree] = {path.name: path.read_bytes()}
    return _place(tree, path.name)


def _place(tree: str, place: str = "") -> str:
    return f"{MARK}{tree}{MARK}/{place}".removesuffix("/")


def pack_plugins(
    plugins: Sequence[str], methods: Sequence[Method]
) -> tuple[tuple[str, ...], dict[str, dict[str, bytes]]]:
    """Plugins whose methods run, and their files as they are carried.

    Args:
        plugins: References of plugin files.
        methods: The methods that run.

    Returns:
        References in which a mark stands for the folder; files by tree and place.

    Raises:
        RequestError: If a plugin imports a file that lies outside of its folder.
    """
    references, files = [], {}
    given = [plugin_path(each) for each in plugins]
    folders = list(dict.fromkeys(file.absolute() for file, _ in given))
    for file, attribute in ((file.absolute(), attribute) for file, attribute in given):
        own = [method for method in methods if _plugin_of(method) == file]
        root, number = imports_from(file), folders.index(file)
        for method in own:
            for path, content in _sources(method, root):
                files[f"{number}/{path}"] = content
        if own:
            place = f"{number}/{file.relative_to(root).as_posix()}"
            references.append(f"{_place(_CODE, place)}:{attribute}")
    return tuple(references), {_CODE: files} if files else {}


def _plugin_of(method: Method) -> Path | None:
    own = (file.path for file in identify(method).files if file.label == PLUGIN)
    return next(own, None)


def _sources(method: Method, root: Path) -> Iterator[tuple[str, bytes]]:
    """A plugin's files below the folder that its imports start from; packages are installed."""
    contents = sources(method)
    for file in identify(method).files:
        base = next(
            (each for each in (root, root.resolve()) if file.path.is_relative_to(each)), None
        )
        if base is not None:
            yield file.path.relative_to(base).as_posix(), contents[file.label]
        elif file.path.parts[-len(Path(file.label).parts) :] != Path(file.label).parts:
            msg = f"method {method.name!r}: source file {str(file.path)!r} lies outside of the"
            raise RequestError(
                f"{msg} plugin's folder, so it is not sent; put it beside the plugin"
            )


def _data(plan: Plan, task: TaskPlan) -> Tree | None:
    """The data files of a task, where they are the user's."""
    request = plan.request
    root = request.data_dir.absolute()
    files = [
        file
        for card in task.card.parts
        if not (card.embedded or choose_data(card, request.preset) == "phantom")
        for file in data_files(card, data_dir=root, cache_dir=request.cache_dir)
    ]
    if not files:
        return None
    return Tree(
        root=root,
        files={
            path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name: path
            for path in files
        },
    )


def _checkpoints(asked: RunRequest, task: TaskPlan) -> tuple[Tree, str] | None:
    """The files that runs start from, and the init that names them as they are sent.

    What the identity takes from the path of a file, its folder's name at most, stays. Others are
    looked for at their paths: weights by name, and files whose whole path the identity holds.
    """
    inits = [run.init for run in task.runs if run.init and run.init.source != RANDOM]
    files = [Path(init.source).absolute() for init in inits]
    parts = Path(asked.init).expanduser().absolute().parts
    if set(files) == {Path(*parts)}:
        place, tree = files[0].name, Tree(root=files[0].parent, files={files[0].name: files[0]})
        return tree, _place(_INIT, place)
    open_parts = [place for place, part in enumerate(parts) if "{" in part]
    if not files or not open_parts or any(init.about is None for init in inits):
        return None
    depth = open_parts[0] - 1  # the folder before gives weights without a name theirs
    root = Path(*files[0].parts[:depth])
    tree = Tree(root=root, files={file.relative_to(root).as_posix(): file for file in files})
    return tree, _place(_INIT, "/".join([files[0].parts[depth], *parts[open_parts[0] :]]))
