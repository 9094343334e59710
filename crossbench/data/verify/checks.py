"""Verification of a task's data, check by check."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.facts import facts
from crossbench.data.sources import find_file
from crossbench.data.splits import make_splits
from crossbench.data.survey import ranges
from crossbench.data.verify.alike import exact_pairs, near_pairs
from crossbench.data.verify.leaks import across, copies, grouping
from crossbench.data.verify.looks import look
from crossbench.data.verify.opened import DIGEST, open_anyway, why_not
from crossbench.data.verify.shortcut import drawn, shortcuts
from crossbench.data.verify.verdict import Finding, Verdict, listed, named
from crossbench.data.words import counted
from crossbench.errors import DataError, SplitError
from crossbench.registry.presets import find_preset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.data.survey import Ranges
    from crossbench.data.verify.looks import Looks
    from crossbench.data.verify.opened import Opened
    from crossbench.data.verify.verdict import Shortcut
    from crossbench.specs import TaskCard

_PRESET = "standard"


def verify(
    card: TaskCard,
    *,
    data_dir: Path,
    cache_dir: Path,
    listener: Callable[[str], None] = lambda _: None,
) -> tuple[Verdict, Dataset | None]:
    """Verify a task's data file against its card, and for copies, leaks and shortcuts.

    Time and memory grow about as the number of samples does; images are read in chunks.

    Args:
        card: The task.
        data_dir: Where a user keeps data files.
        cache_dir: Where a phantom would lie; nothing that is remembered there is believed.
        listener: Called with what is done next.

    Returns:
        The verdict, and the samples; None where the file cannot be opened.

    Raises:
        MissingDataError: If the file is not there.
    """
    file = find_file(card, data="real", data_dir=data_dir, cache_dir=cache_dir)
    listener("reading the file")
    try:
        opened = open_anyway(card, file, data_dir=data_dir)
    except DataError as error:
        return _unreadable(card, file, error), None
    images = opened.dataset.images
    found = ranges(images)
    listener("looking at samples")
    looks = look(images, found.span)
    listener("looking for copies")
    near = near_pairs(looks)
    splits, undrawn = _standard(opened)
    exact = copies("exact copies", exact_pairs(looks.hashes), looks.plain)
    alike = copies("near copies", near.pairs, looks.plain)
    findings = [
        *_stated(opened, found),
        *_content(opened),
        *_samples(found),
        *grouping(opened.dataset, card.name, card.group),
        *undrawn,
        *across(exact, opened.dataset, splits, card.name),
        *across(alike, opened.dataset, splits, card.name),
    ]
    listener("fitting plain models to the acquisition")
    models, said = _shortcuts(opened, looks)
    return _verdict(opened, [*findings, *said], models, near.compared), opened.dataset


def _unreadable(card: TaskCard, file: Path, error: DataError) -> Verdict:
    return Verdict(
        task=card.name,
        title=card.title,
        file=file.name,
        classes={},
        digests={},
        findings=tuple(why_not(card, file, error)),
        version=version("crossbench"),
    )


def _verdict(
    opened: Opened, findings: list[Finding], models: tuple[Shortcut, ...], compared: int
) -> Verdict:
    card, dataset, made = opened.card, opened.dataset, opened.made
    counts = np.bincount(dataset.labels, minlength=len(card.classes)).tolist()
    shape = "x".join(map(str, dataset.images.shape[1:]))
    return Verdict(
        task=card.name,
        title=card.title,
        file=dataset.file.name,
        origin="" if made is None else " from ".join(filter(None, [made.importer, made.origin])),
        samples=len(dataset),
        form=f"{shape} {dataset.images.dtype}",
        classes=dict(zip(card.classes, counts, strict=True)),
        groups=None if dataset.groups is None else len(np.unique(dataset.groups)),
        grouped_by=opened.grouped_by,
        content=dataset.content_hash,
        digests=opened.digests,
        findings=tuple(findings),
        shortcuts=models,
        compared=compared,
        version=version("crossbench"),
    )


# ------------------------------------------------------------------------- the checks


def _stated(opened: Opened, found: Ranges) -> Iterator[Finding]:
    """Each fact on the card, and the labels."""
    card, dataset = opened.card, opened.dataset
    stated = facts(
        card,
        images=dataset.images,
        labels=dataset.labels,
        span=found.span,
        digests=opened.digests,
    )
    for fact in stated:
        yield Finding(
            check=fact.name.split()[0], level="holds" if fact.holds else "fault", text=fact.said
        )
    known = sorted(set(card.samples.values()))
    if known and opened.made is None:
        fits = len(dataset) in known or card.embedded
        words = " or ".join(f"{each:,}" for each in known)
        text = f"{len(dataset):,} samples; the card knows of {words}"
        yield Finding(check="samples", level="holds" if fits else "fault", text=text)
    lacking = [name for label, name in enumerate(card.classes) if label not in dataset.labels]
    text = f"all {len(card.classes)} classes have samples"
    if lacking:
        text = f"no sample is of class {', '.join(map(repr, lacking))}"
    yield Finding(check="labels", level="fault" if lacking else "holds", text=text)


def _content(opened: Opened) -> Iterator[Finding]:
    """Findings on the content hash, and on the form of the file."""
    card, dataset = opened.card, opened.dataset
    if opened.made is None and not card.checksum and not card.embedded:
        text = f"the card states no checksum; {DIGEST} of the file is {opened.digests[DIGEST]}"
        yield Finding(check="checksum", level="remark", text=text)
    if opened.made is not None and not opened.grouped_by:
        same = dataset.content_hash.startswith(dataset.file.stem)
        text = f"content {dataset.content_hash[:16]} is that of the file's name"
        if not same:
            text = f"content is {dataset.content_hash[:16]}, but the file is called"
            text = f"{text} {dataset.file.name}; import the task again"
        yield Finding(check="content", level="holds" if same else "fault", text=text)
    for text in dataset.warnings:
        if not text.startswith(("ungrouped", "groups")) and "one value only" not in text:
            yield Finding(check="form", level="remark", text=text)


def _samples(found: Ranges) -> Iterator[Finding]:
    """Samples that show nothing."""
    yield Finding(check="voxels", level="holds", text="every voxel is a finite number")
    blank = found.constant
    if not len(blank):
        yield Finding(check="blank", level="holds", text="no sample is blank or constant")
        return
    text = f"{counted(len(blank), 'sample')} of one value only, blank or constant: {listed(blank)}"
    yield Finding(check="blank", level="remark", text=text, count=len(blank), samples=named(blank))


def _standard(opened: Opened) -> tuple[list[Split], list[Finding]]:
    """The folds of preset ``standard``, or why there are none."""
    dataset = opened.dataset
    strata = dataset.labels if dataset.strata is None else dataset.strata
    try:
        return make_splits(
            find_preset(_PRESET).split, strata, dataset.groups, site=dataset.site
        ), []
    except SplitError as error:
        text = f"the standard folds cannot be drawn: {error}"
        return [], [Finding(check="folds", level="fault", text=text)]


def _shortcuts(opened: Opened, looks: Looks) -> tuple[tuple[Shortcut, ...], list[Finding]]:
    """Scores of plain models on the acquisition, and the finding on them."""
    dataset = opened.dataset
    chosen = drawn(dataset.labels, dataset.groups)
    labels = dataset.labels[chosen]
    groups = None if dataset.groups is None else dataset.groups[chosen]
    features: dict[str, NDArray[Any]] = {
        "border": looks.border[chosen],
        "histogram": looks.histogram[chosen],
    }
    features |= {name: values[chosen] for name, values in opened.acquisition.items()}
    settings = find_preset(_PRESET).split
    try:
        splits = make_splits(settings, labels, groups)[: settings.folds]  # of the first seed
    except SplitError as error:
        return (), [Finding(check="shortcut", level="remark", text=f"not checked: {error}")]
    models = shortcuts(features, labels, splits)
    return models, [_said(models, len(chosen), len(dataset), grouped=groups is not None)]


def _said(models: tuple[Shortcut, ...], used: int, samples: int, *, grouped: bool) -> Finding:
    how = "cross-validated by group" if grouped else "cross-validated by sample"
    how += f" on {used:,} of {samples:,} samples" if used < samples else ""
    ahead = [each for each in models if each.ahead]
    if not ahead:
        text = f"no plain model beats the majority class on the acquisition alone ({how})"
        return Finding(check="shortcut", level="holds", text=text)
    best = max(ahead, key=lambda each: each.score)
    text = (
        f"{best.model} on the acquisition alone ({best.features}) reaches a balanced accuracy of"
        f" {best.score:.3f}, the majority class {best.majority:.3f} ({how})"
    )
    return Finding(check="shortcut", level="remark", text=text)
