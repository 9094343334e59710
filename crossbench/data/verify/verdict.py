"""The verdict on a task's data: findings in words and numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossbench.data.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: ``fault`` is what makes a verdict "does not hold"; ``remark`` what a reader should know.
Level = Literal["holds", "remark", "fault"]

#: Samples that a finding names at most.
NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Result of a check.

    Attributes:
        check: What was checked.
        level: Whether it holds.
        text: The finding in words.
        count: How many samples or pairs it is about.
        samples: The first of them: indices of samples, or pairs of such.
    """

    check: str
    level: Level
    text: str
    count: int = 0
    samples: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """Score of a plain model on features of the acquisition alone.

    Attributes:
        features: What it is given: ``border``, ``histogram``, ``acquisition`` or ``all together``.
        model: ``logistic`` or ``boosting``.
        score: Mean balanced accuracy over the folds.
        low: Lower end of its 95 % interval; None where the folds do not vary.
        high: Upper end.
        majority: Balanced accuracy of the majority class.
        ahead: Whether it exceeds the majority's: whether the interval that allows for the number
            of such comparisons (Bonferroni) lies above it.
    """

    features: str
    model: str
    score: float
    low: float | None
    high: float | None
    majority: float
    ahead: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Findings on a task's data.

    Attributes:
        task: The task.
        title: Its title.
        file: Name of the file.
        origin: Where an imported file comes from: importer and origin; empty otherwise.
        samples: Number of samples; 0 where the file cannot be opened.
        form: Shape and dtype of the stored samples, in words.
        classes: Samples per class.
        groups: Number of groups; None where there are none.
        grouped_by: Where groups that were joined afterwards are from; empty for the file's own.
        content: Content hash that records are pinned to; empty where the file cannot be opened.
        digests: Digests of the file by algorithm.
        findings: One or more a check, in the order of the checks.
        shortcuts: What plain models get from the acquisition.
        compared: Number of comparisons of perceptual hashes.
        version: Version of crossbench.
    """

    task: str
    title: str
    file: str
    origin: str = ""
    samples: int = 0
    form: str = ""
    classes: dict[str, int]
    groups: int | None = None
    grouped_by: str = ""
    content: str = ""
    digests: dict[str, str]
    findings: tuple[Finding, ...]
    shortcuts: tuple[Shortcut, ...] = ()
    compared: int = 0
    version: str

    @property
    def holds(self) -> bool:
        """Whether no check found a fault."""
        return all(finding.level != "fault" for finding in self.findings)

    @property
    def sentence(self) -> str:
        """The verdict in a line."""
        faults = sum(finding.level == "fault" for finding in self.findings)
        remarks = sum(finding.level == "remark" for finding in self.findings)
        noted = f", {counted(remarks, 'remark')}" if remarks else ""
        if self.holds:
            return f"{self.task}: holds{noted}"
        return f"{self.task}: does not hold ({counted(faults, 'fault')}{noted})"

    def mapping(self) -> dict[str, Any]:
        """The verdict as plain values."""
        return {"verdict": self.sentence, "holds": self.holds, **asdict(self)}


def named(indices: NDArray[np.int64]) -> tuple[Any, ...]:
    """The first of samples (M,) or pairs (M, 2), as plain values."""
    first: list[Any] = indices[:NAMED].tolist()
    return tuple(tuple(each) if isinstance(each, list) else each for each in first)


def listed(indices: NDArray[np.int64], most: int = 5) -> str:
    """The first of some samples in words."""
    more = ", ..." if len(indices) > most else ""
    return ", ".join(map(str, indices[:most].tolist())) + more
