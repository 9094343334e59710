"""Samples as a folder or a table lists them, before their files are read."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crossbench.data.canonical import plain_spelling
from crossbench.data.new.files import stem
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError, RequestError
from crossbench.errors.foreign import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Words for the parts of a split; the index is the code in a data file.
PARTS = (
    frozenset({"train", "training"}),
    frozenset({"val", "valid", "validation", "dev"}),
    frozenset({"test", "testing"}),
)

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A sample, before its file is looked at.

    Attributes:
        file: Path below the folder.
        label: Name of its class.
        group: What it must not be separated from; empty where unknown.
        id: Its identifier.
        part: 0 train, 1 validation, 2 test; -1 where unknown.
        covariate: What a plain baseline predicts from; NaN where unknown.
    """

    file: str
    label: str
    group: str = ""
    id: str
    part: int = -1
    covariate: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Samples that a folder or a table lists.

    Attributes:
        samples: The samples.
        group: What groups are, in a word; empty where there are none.
        remarks: What was assumed and left out.
    """

    samples: tuple[Candidate, ...]
    group: str = ""
    remarks: tuple[Remark, ...] = ()

    def with_remarks(self, *remarks: Remark) -> Candidates:
        """The same, with more to say."""
        return replace(self, remarks=(*self.remarks, *remarks))


def part_of(name: str) -> int:
    """The code of a part of a split; -1 for any other word."""
    plain = plain_spelling(name)
    return next((code for code, words in enumerate(PARTS) if plain in words), -1)


def grouped_by_name(found: Candidates, pattern: re.Pattern[str]) -> Candidates:
    """Groups from what a pattern finds in the name of each file.

    Raises:
        RequestError: If it finds nothing in some.
    """
    groups = [_first(pattern.search(_name(sample.file))) for sample in found.samples]
    without = [
        _name(sample.file) for sample, group in zip(found.samples, groups, strict=True) if not group
    ]
    if without:
        msg = f"--group-from-name {pattern.pattern!r} finds nothing in {len(without)} of"
        msg = f"{msg} {len(groups)} names, such as {without[0]!r}; allow for these by '...|...'"
        raise RequestError(msg)
    samples = tuple(
        replace(sample, group=group) for sample, group in zip(found.samples, groups, strict=True)
    )
    return replace(found, samples=samples, group="group")


def labelled_by_name(files: Sequence[str], pattern: re.Pattern[str]) -> Candidates:
    """Samples whose class is what a pattern finds in the name of each file.

    Raises:
        RequestError: If it finds nothing in any.
    """
    labels = [_first(pattern.search(_name(file))) for file in files]
    samples = tuple(
        Candidate(file=file, label=label, id=file)
        for file, label in zip(files, labels, strict=True)
        if label
    )
    if not samples:
        msg = f"--label-from-name {pattern.pattern!r} finds nothing in any of {len(files)} names,"
        raise RequestError(f"{msg} such as {_name(files[0])!r}")
    without = tuple(file for file, label in zip(files, labels, strict=True) if not label)
    said = Remark(topic="classes", text="Classes are what a pattern finds in the names of files")
    lost = f"{counted(len(without), 'file')} left out: the pattern finds no class in the name"
    left = [Remark(topic="left out", text=lost, names=without)] if without else []
    return Candidates(samples=samples, remarks=(said, *left))


def _name(file: str) -> str:
    return file.rpartition("/")[2]


def _first(match: re.Match[str] | None) -> str:
    """The first group of a match that took part in it, or all of it."""
    if match is None:
        return ""
    return next((text for text in match.groups() if text), match[0])


# --------------------------------------------------------------------------------- checks


def classes_of(samples: Sequence[Candidate]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names in order, and the index of each spelling.

    Whole numbers are in order of their value. Spellings that differ in case or white space alone
    are one class, under the most frequent of them.

    Raises:
        DataError: If there are fewer than two classes, or as many as no one compares.
    """
    spellings: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for sample in samples:
        spellings[_plain_class(sample.label)][sample.label.strip()] += 1
    if len(spellings) < 2:
        only = next(iter(spellings), "")
        msg = f"all {len(samples)} samples are of one class ({only!r}); two or more are needed:"
        raise DataError(f"{msg} class folders, or --csv TABLE --label COLUMN")
    if len(spellings) > max(2, len(samples) // 2):
        some = ", ".join(sorted(spellings)[:_NAMED])
        msg = f"{len(samples)} samples have {len(spellings)} different labels ({some}, ...): these"
        raise DataError(f"{msg} are no classes; choose another column by --label")
    numbers = all(plain.isdecimal() for plain in spellings)
    order = sorted(spellings, key=lambda plain: (int(plain) if numbers else 0, plain))
    names = tuple(
        plain if numbers else clean(max(spellings[plain], key=lambda name: spellings[plain][name]))
        for plain in order
    )
    index = {name: place for place, plain in enumerate(order) for name in spellings[plain]}
    return names, index


def remarks_on_classes(samples: Sequence[Candidate]) -> Iterator[Remark]:
    """Remark that spellings of a class were taken as one."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        spellings[_plain_class(sample.label)].add(sample.label.strip())
    several = [", ".join(sorted(each)) for each in spellings.values() if len(each) > 1]
    if several:
        text = "Spellings that differ in case or white space are taken as one class"
        yield Remark(topic="classes", text=text, names=tuple(several))


def _plain_class(label: str) -> str:
    """A label without what counts for nothing; ``1.0`` as tables of numbers have it is ``1``."""
    plain = plain_spelling(label)
    whole = plain.removesuffix(".0")
    return whole if whole.isdecimal() else plain


def remarks_on_groups(samples: Sequence[Candidate]) -> Iterator[Remark]:
    """Remarks on groups: how many, across classes, across parts, and lacking."""
    labels, parts = defaultdict(set), defaultdict(set)
    for sample in samples:
        if sample.group:
            labels[plain_spelling(sample.group)].add(_plain_class(sample.label))
            parts[plain_spelling(sample.group)].add(sample.part)
    names = {plain_spelling(sample.group): sample.group for sample in samples if sample.group}
    lacking = sum(not sample.group for sample in samples)
    if lacking:
        said = f"{counted(lacking, 'sample')} without a group: each is one of its own"
        yield Remark(topic="groups", text=said)
    mixed = [names[group] for group, each in labels.items() if len(each) > 1]
    if mixed:
        have = "group has" if len(mixed) == 1 else "groups have"
        said = f"{len(mixed):,} {have} samples of several classes, which is kept"
        yield Remark(topic="groups", text=said, names=tuple(mixed))
    torn = [names[group] for group, each in parts.items() if len(each - {-1}) > 1]
    if torn:
        lie = "group lies" if len(torn) == 1 else "groups lie"
        said = f"{len(torn):,} {lie} in several parts of the given split: it leaks"
        yield Remark(topic="split", text=said, names=tuple(torn))


# ------------------------------------------------------------------------------------------ hints


#: Names up to their first number: ``person12`` of ``person12_virus_3.jpeg``.
NUMBERED = r"^\D*\d+"

_LEAST_SHARED = 0.1  # of the samples, whose names begin as those of others do


def hint_at_groups(samples: Sequence[Candidate]) -> Iterator[Remark]:
    """Remarks that groups are not known, and on names that begin alike."""
    lost = "Groups are not known: samples of one patient may lie on both sides of a split"
    ways = "(--group COLUMN, --group-from-name REGEX, or a folder for each patient)"
    yield Remark(topic="groups", text=f"{lost} {ways}")
    names = [stem(sample.file) for sample in samples]
    starts = [(re.match(NUMBERED, name), name) for name in names]
    counts = Counter(start[0] for start, name in starts if start and _goes_on(start, name))
    shared = [start for start, count in counts.items() if count > 1]
    touched = sum(counts[start] for start in shared)
    if len(shared) > 1 and touched >= _LEAST_SHARED * len(samples):
        text = f"{touched:,} file names begin as others do, up to their first number; if that is a"
        text = f"{text} patient's, say --group-from-name '{NUMBERED}'"
        yield Remark(topic="groups", text=text, names=tuple(shared))


def _goes_on(start: re.Match[str], name: str) -> bool:
    """Whether more than signs follow the beginning of a name: a plain counter is no patient."""
    return any(sign.isalnum() for sign in name[start.end() :])
