"""Where the weights of each run come from, and the check that they have not seen its test part."""

from __future__ import annotations

import string
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import RequestError, WeightsError
from crossbench.nets.backbones import layer_form
from crossbench.nets.checkpoint import About, Seen, data_file, read_facts
from crossbench.nets.weights import RANDOM, init_name, resolve_init

if TYPE_CHECKING:
    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.methods import Method

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
    """

    name: str
    source: str | Path
    sha256: str | None = None
    hashes: dict[str, str]
    about: About | None = None


def find_init(init: str, method: Method, *, seed: int, fold: int) -> Init:
    """The weights of one run.

    Args:
        init: ``random``, a known name, ``hf:REPO/FILE@REV`` or a file. A file may have
            ``{method}``, ``{layers}`` (``conv2d`` for every method with plain 2D layers),
            ``{seed}`` and ``{fold}`` in its path, and ``*`` for what one file alone can fill.
        method: The run's method.
        seed: The run's seed.
        fold: The run's fold.

    Raises:
        RequestError: If the path has an unknown placeholder.
        WeightsError: If there is no such file, or more than one.
    """
    fields = _placeholders(init)
    if not fields:
        return _fixed(init, method)
    values = {"method": method.name, "layers": layer_form(method), "seed": seed, "fold": fold}
    path = _only_file(init.format(**values))
    facts = read_facts(path)
    about = facts.about
    recipe = about.recipe if about is not None and about.recipe else init
    return Init(
        name=_made_from(about) or _template_name(init),
        source=path,
        sha256=facts.sha256,
        hashes={"init": recipe, "weights": facts.sha256},
        about=about,
    )


def check_unseen(init: Init, dataset: Dataset, split: Split, *, task: str) -> None:
    """Refuse weights that were fitted to, or selected by, anything in a run's test part.

    Raises:
        RequestError: If they were; the message counts what was seen.
    """
    units, word = units_of(dataset, split.test)
    for seen in _seen_by(init):
        shared = np.intersect1d(units, seen.codes)
        if (seen.file, seen.unit) == (data_file(dataset.file), word) and len(shared):
            msg = (
                f"init {str(init.source)!r} has seen {len(shared)} of the {len(units)} {word}s "
                f"that {task} tests on in seed {split.seed}, fold {split.fold}; take weights that "
                "were made without them, such as those of the same seed and fold ({seed} and "
                "{fold} in --init stand for the run's own)"
            )
            raise RequestError(msg)


def seen_in(dataset: Dataset, split: Split, init: Init | None = None) -> tuple[Seen, ...]:
    """What a network has seen that is fitted to a split: its training and validation part.

    Args:
        dataset: The samples.
        split: What it is fitted to and selected by.
        init: The weights it starts from, whose samples it has seen as well.
    """
    units, word = units_of(dataset, np.concatenate([split.train, split.val]))
    own = Seen(file=data_file(dataset.file), unit=word, codes=tuple(units.tolist()))
    return (own, *_seen_by(init))


def _seen_by(init: Init | None) -> tuple[Seen, ...]:
    return init.about.seen if init is not None and init.about is not None else ()


def units_of(dataset: Dataset, indices: np.ndarray) -> tuple[np.ndarray, str]:
    """The distinct groups that samples belong to, or the samples where there are no groups."""
    if dataset.groups is None:
        return np.unique(indices), "sample"
    return np.unique(dataset.groups[indices]), "group"


def _fixed(init: str, method: Method) -> Init:
    source = resolve_init(init, method)
    if source == RANDOM:
        return Init(name=RANDOM, source=RANDOM, hashes={"init": RANDOM})
    facts = read_facts(source)
    return Init(
        name=_made_from(facts.about) or init_name(init),
        source=source,
        sha256=facts.sha256,
        hashes={"init": facts.sha256},
        about=facts.about,
    )


def _made_from(about: About | None) -> str:
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
