"""Choices of a user about a new task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossbench.data.formats.dicom.series import Choice
from crossbench.errors import RequestError
from crossbench.registry.tasks import registered_task
from crossbench.specs.cards import name_complaint

if TYPE_CHECKING:
    import re
    from pathlib import Path

    from crossbench.specs.preparation import Fit


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices about what is made of a folder.

    Attributes:
        folder: Where the files are.
        name: Name of the task.
        title: Its name for people; empty for the name.
        modality: How the samples were taken.
        table: Table of files and labels; None looks for one.
        columns: Its columns by role: ``file``, ``label``, ``group``, ``id``, ``split``,
            ``covariate``.
        group_from_name: What finds the group in the name of a file.
        label_from_name: What finds the class in the name of a file.
        ungrouped: Whether folders are no patients.
        size: Lengths that samples are brought to; one number stands for all axes.
        fit: How; None leaves it to the kind of samples.
        spacing: Millimetres between voxels (D, H, W) that volumes are resampled to; one number
            stands for all axes.
        dicom: What is made of DICOM series that are not one plain picture or volume.
        dicom_series: What the description of a DICOM series must have; None takes all.
        keep_ids: Whether identifiers are kept as they are.
        skip_damaged: Whether files that cannot be read are left out.
    """

    folder: Path
    name: str = "mine"
    title: str = ""
    modality: str = "unknown"
    table: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    group_from_name: re.Pattern[str] | None = None
    label_from_name: re.Pattern[str] | None = None
    ungrouped: bool = False
    size: tuple[int, ...] | None = None
    fit: Fit | None = None
    spacing: tuple[float, ...] | None = None
    dicom: Choice = field(default_factory=Choice)
    dicom_series: re.Pattern[str] | None = None
    keep_ids: bool = False
    skip_damaged: bool = False

    def check(self) -> None:
        """Refuse a name that no task can have.

        Raises:
            RequestError: If it is malformed, or a registered task's.
        """
        if complaint := name_complaint(self.name):
            raise RequestError(f"--name {self.name!r} {complaint}")
        if registered_task(self.name) is not None:
            raise RequestError(f"--name {self.name!r} is a registered task's; choose another")


def for_axes(numbers: tuple[float, ...], dims: int, option: str) -> tuple[float, ...]:
    """A number for each axis, one standing for all.

    Raises:
        RequestError: If there are others than one or so many.
    """
    if len(numbers) == 1:
        return numbers * dims
    if len(numbers) != dims:
        order = {2: "height,width", 3: "depth,height,width"}[dims]
        given = ",".join(f"{number:g}" for number in numbers)
        raise RequestError(f"{option} {given}: give one number, or {dims} ({order})")
    return numbers
