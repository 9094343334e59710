"""Hints at what folders and tables do not say."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from crossbench.data.new.files import stem
from crossbench.data.new.remarks import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.data.new.candidates import Candidate

#: Names up to their first number: ``person12`` of ``person12_virus_3.jpeg``.
NUMBERED = r"^\D*\d+"

_LEAST_SHARED = 0.1  # of the samples, whose names begin as those of others do


def hint_at_groups(samples: Sequence[Candidate]) -> Iterator[Remark]:
    """That groups are not known, and what may tell them: names that begin alike."""
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
