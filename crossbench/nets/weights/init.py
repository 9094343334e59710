"""Initial weights of a run and the normalisation of their inputs."""

from __future__ import annotations

import string
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from crossbench.errors import RequestError, WeightsError
from crossbench.nets.backbones import layer_form
from crossbench.nets.weights.catalogue import (
    HUB_PREFIX,
    KnownWeights,
    catalogued,
    find_known,
    hub_file,
    known_weights,
    unreserved,
)
from crossbench.nets.weights.checkpoint import CheckpointMetadata, existing, read_facts
from crossbench.nets.weights.retrieval import fetch
from crossbench.specs import RANDOM, Statistics

if TYPE_CHECKING:
    from crossbench.methods import Method
    from crossbench.nets.weights.checkpoint import Facts

_OF_RANDOM: Statistics = "radimagenet"  # as in the authors' scripts
_USUAL_STEMS = ("model", "pytorch_model")  # of files that only their repository tells apart

#: What an init may leave open, to be filled for each run.
PLACEHOLDERS = ("method", "layers", "seed", "fold")


@dataclass(frozen=True, kw_only=True)
class Init:
    """The weights that one run starts from.

    Attributes:
        name: What views show; the same for all runs of a request.
        source: ``random``, or the path of a checkpoint file.
        sha256: Of the file, which is refused if it is another when it is loaded.
        hashes: Parts of the run's identity.
        about: What the checkpoint says of itself; None for random and foreign weights.
        known: Its entry in the catalogue, where it has one.
        statistics: Whose channel statistics normalise the inputs.
        basis: Why these, in words.
        warnings: What a reader of the results should know.
    """

    name: str
    source: str | Path
    sha256: str | None = None
    hashes: dict[str, str]
    about: CheckpointMetadata | None = None
    known: KnownWeights | None = None
    statistics: Statistics
    basis: str
    warnings: tuple[str, ...] = ()


def find_init(
    init: str,
    method: Method,
    *,
    backbone: str,
    seed: int,
    fold: int,
    statistics: Statistics | None = None,
) -> Init:
    """The weights of one run.

    Args:
        init: ``random``, a known name, ``hf:REPO/FILE@REV`` or a file. A file may have
            ``{method}``, ``{layers}`` (``plain`` for every method with plain 2D layers),
            ``{seed}`` and ``{fold}`` in its path, and ``*`` for what one file alone can fill.
        method: The run's method.
        backbone: timm name of its 2D network.
        seed: The run's seed.
        fold: The run's fold.
        statistics: Whose channel statistics normalise the inputs; None takes those that the
            weights or their entry in the catalogue name, and RadImageNet's for random weights.

    Raises:
        RequestError: If the path has an unknown placeholder, or nothing says whose statistics.
        WeightsError: If there is no such file, or more than one.
    """
    fields = _placeholders(init)
    if init == RANDOM:
        basis = "as set" if statistics else "the default of random weights"
        return _init(RANDOM, RANDOM, {"init": RANDOM}, (statistics or _OF_RANDOM, basis))
    if fields:
        values = {"method": method.name, "layers": layer_form(method), "seed": seed, "fold": fold}
        path, name = _only_file(init.format(**values)), unreserved(_template_name(init))
    else:
        path, name = Path(resolve_init(init, method, backbone)), init_name(init)
    facts = read_facts(path)
    known = catalogued(init, method, backbone, facts.sha256)
    recipe = facts.about.recipe if facts.about is not None and facts.about.recipe else init
    return _init(
        unreserved(_made_from(facts.about)) or name,
        path,
        {"init": recipe, "weights": facts.sha256} if fields else {"init": facts.sha256},
        _choose_statistics(path, known, facts, statistics),
        facts,
        known,
    )


def _init(
    name: str,
    source: str | Path,
    hashes: dict[str, str],
    chosen: tuple[Statistics, str],
    facts: Facts | None = None,
    known: KnownWeights | None = None,
) -> Init:
    statistics, basis = chosen
    return Init(
        name=name,
        source=source,
        sha256=None if facts is None else facts.sha256,
        hashes=hashes | {"statistics": statistics},
        about=None if facts is None else facts.about,
        known=known,
        statistics=statistics,
        basis=basis,
    )


def _choose_statistics(
    path: Path, known: KnownWeights | None, facts: Facts, given: Statistics | None
) -> tuple[Statistics, str]:
    """Whose channel statistics a checkpoint gets, and why."""
    if given is not None:
        return given, "as set"
    if facts.about is not None and facts.about.statistics is not None:
        return facts.about.statistics, "as the weights say"
    if known is not None and known.statistics is not None:
        return known.statistics, "as the catalogue says"
    names = ", ".join(get_args(Statistics))
    msg = f"{path}: nothing says by whose channel statistics the inputs of these weights were"
    msg = f"{msg} normalised; declare it by run --statistics NAME ({names})"
    convert = "crossbench weights convert FILE --to NAME --method METHOD --statistics NAME"
    raise RequestError(f"{msg}, or for all commands by {convert}")


def resolve_init(init: str | Path, method: Method, backbone: str) -> str | Path:
    """The file that an init names, downloaded if it is absent.

    Args:
        init: ``random``; a known name, such as ``in1k``; ``hf:REPO/FILE@REV``; or a file's path.
        method: Whose networks a named file has to fit.
        backbone: timm name of these networks.

    Returns:
        ``random``, or the path of a file.

    Raises:
        WeightsError: If there is no such file, it cannot be fetched, or it is not what was
            pinned.
        RequestError: If a file of the hub is not of the form above.
    """
    if init == RANDOM:
        return RANDOM
    if isinstance(init, str) and init.startswith(HUB_PREFIX):
        return fetch(hub_file(init))
    if init in {each.name for each in known_weights()}:
        return fetch(find_known(str(init), method, backbone))
    return existing(init)


def init_name(init: str | Path) -> str:
    """The name of an init in views: ``random``, a known name, or a file's stem.

    A file of the hub that is called what most are called has its repository's name. A file that is
    called ``random``, or as known weights are, is marked as a file.
    """
    if init == RANDOM or init in {each.name for each in known_weights()}:
        return str(init)
    if isinstance(init, str) and init.startswith(HUB_PREFIX):
        weights = hub_file(init)
        stem = Path(weights.file).stem
        return unreserved(Path(weights.repo).name if stem in _USUAL_STEMS else stem)
    return unreserved(Path(init).stem)


def lacks_weights(init: str, method: Method, backbone: str) -> str:
    """Why a method has no weights of a known name, or of its layers; empty where it has."""
    try:
        if init in {each.name for each in known_weights()}:
            find_known(init, method, backbone)
        elif "{layers}" in init:
            layer_form(method)
    except WeightsError as error:
        return str(error)
    return ""


def _made_from(about: CheckpointMetadata | None) -> str:
    """The data that weights of our own were made from; empty for others."""
    details = about.details if about is not None else {}
    return str(details.get("data") or details.get("task") or "")


def _placeholders(init: str) -> list[str]:
    try:
        parts = [part for part in string.Formatter().parse(init) if part[1] is not None]
    except ValueError as error:
        raise RequestError(f"init {init!r} has a brace too many or too few: {error}") from error
    names = [str(name) for _, name, _, _ in parts]
    for _, name, spec, conversion in parts:
        if spec or conversion:  # {seed:>1000000000} would be a path of a gigabyte
            raise RequestError(f"init {init!r} has {{{name}}} with a format; leave the format out")
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise RequestError(f"init {init!r} has {{{name}}}; it may have {known}")
    return names


def _only_file(pattern: str) -> Path:
    found = sorted(glob(pattern)) if has_magic(pattern) else [pattern]  # noqa: PTH207
    if len(found) != 1:
        names = f": {', '.join(found)}" if found else ""
        msg = f"init {pattern!r} is to name one checkpoint, and names {len(found)}{names}"
        raise WeightsError(msg)
    path = Path(found[0]).expanduser()
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {str(path)!r}, which the init asks for")
    return path


def _template_name(init: str) -> str:
    """The folder before the first part of the path that differs between runs."""
    parts = Path(init).parts
    first = next(place for place, part in enumerate(parts) if "{" in part)
    return parts[first - 1] if first else Path(init).stem
