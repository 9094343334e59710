"""Draft of a task from a folder: decided before anything is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs

from crossbench.data.formats.nifti import volume_form
from crossbench.data.formats.prepared import dicom_keys
from crossbench.data.formats.tables import read_table
from crossbench.data.new.candidates import (
    classes_of,
    grouped_by_name,
    hint_at_groups,
    labelled_by_name,
    remarks_on_classes,
    remarks_on_groups,
)
from crossbench.data.new.dicom import SeriesFinder, look_at_export
from crossbench.data.new.files import DICOM, PICTURES, Files, find_files
from crossbench.data.new.finder import Finder
from crossbench.data.new.folders import by_folders
from crossbench.data.new.forms import each_form, left_out_damaged, picture_form
from crossbench.data.new.pictures import prepare_pictures
from crossbench.data.new.remarks import Remark
from crossbench.data.new.tables import by_table, find_columns, recognised
from crossbench.data.new.volumes import prepare_volumes
from crossbench.data.words import counted
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crossbench.data.formats.dicom import Series
    from crossbench.data.formats.nifti import VolumeForm
    from crossbench.data.formats.tables import Table
    from crossbench.data.new.candidates import Candidate, Candidates
    from crossbench.data.new.choices import Choices
    from crossbench.data.new.dicom import Export
    from crossbench.data.new.forms import PictureForm
    from crossbench.data.new.pictures import Prepared
    from crossbench.specs.preparation import Preparation

_PARTS = ("train", "val", "test")
_PREPARE: dict[str, Callable[..., Prepared]] = {
    "image": prepare_pictures,
    "volume": prepare_volumes,
}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A task as it will be.

    Attributes:
        choices: What the user chose.
        kind: Input kind.
        samples: The samples, in the order of their files.
        classes: Class names; the index is the label.
        labels: Label of each sample.
        group: What groups are; empty where there are none.
        shape: (C, *spatial) of a sample.
        dtype: Of its values.
        preparation: How files become samples.
        input_size: Side that networks are fed, for images.
        acquisition: Sides of each file before resizing and, of a volume, its spacing.
        remarks: What was assumed and left out.
        series: DICOM series by the first of their files; empty for other files.
    """

    choices: Choices
    kind: str
    samples: tuple[Candidate, ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    group: str
    shape: tuple[int, ...]
    dtype: str
    preparation: Preparation
    input_size: int | None
    acquisition: Mapping[str, tuple[float, ...]]
    remarks: tuple[Remark, ...]
    series: Mapping[str, Series] = field(default_factory=dict)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Samples of each class."""
        counts = Counter(self.labels)
        return tuple(counts[label] for label in range(len(self.classes)))

    @property
    def official(self) -> str:
        """The given split in words; empty where there is none."""
        counts = Counter(sample.part for sample in self.samples)
        if -1 in counts or len(counts) < 2:
            return ""
        named = ((name, counts[part]) for part, name in enumerate(_PARTS))
        return ", ".join(f"{name} {count}" for name, count in named if count)

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return len(self.samples) * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def look(choices: Choices, listener: Callable[[int, int], None] = lambda *_: None) -> Draft:
    """Look through a folder and decide what becomes of it; nothing is written.

    Args:
        choices: What the user chose.
        listener: Called with the numbers of files looked at and of all.

    Raises:
        DataError: If files, table or folders do not say what the samples are; the message names
            the remedy.
        RequestError: If an option does not fit them.
    """
    choices.check()
    files = find_files(choices.folder)
    export = look_at_export(choices, files) if files.form == DICOM else None
    if export:
        files, choices = export.files, export.completed(choices)
    found = _grouped(_candidates(choices, files, export), choices, export)
    classes_of(found.samples)  # refused before hours of reading
    kind = export.kind if export else "image" if files.form == PICTURES else "volume"
    names = [sample.file for sample in found.samples]
    forms, faults = each_form(partial(_form, choices.folder, kind, export), names, listener)
    damaged = left_out_damaged(faults, skip=choices.skip_damaged)
    prepared = _PREPARE[kind](forms, choices)
    samples = tuple(sample for sample in found.samples if sample.file not in faults)
    about_groups = remarks_on_groups(samples) if found.group else hint_at_groups(samples)
    about_series = export.remarks() if export else ()
    classes, index = classes_of(samples)
    draft = Draft(
        choices=choices,
        kind=kind,
        samples=samples,
        classes=classes,
        labels=tuple(index[sample.label.strip()] for sample in samples),
        group=found.group,
        shape=prepared.shape,
        dtype=prepared.dtype,
        preparation=structs.replace(prepared.preparation, **dicom_keys(choices.dicom)),
        input_size=prepared.input_size,
        acquisition={name: form.acquisition for name, form in forms.items()},
        remarks=(
            *found.remarks,
            *remarks_on_classes(samples),
            *about_groups,
            *prepared.remarks,
            *files.remarks,
            *damaged,
            *about_series,
        ),
        series=export.series if export else {},
    )
    return replace(draft, remarks=(*draft.remarks, *_doubts(draft)))


def _grouped(found: Candidates, choices: Choices, export: Export | None) -> Candidates:
    """Samples with the groups that names or headers tell, where these are asked for."""
    if choices.group_from_name is not None:
        return grouped_by_name(found, choices.group_from_name)
    if export and not found.group and not choices.ungrouped:
        return export.grouped(found)
    return found


def _form(folder: Path, kind: str, export: Export | None, name: str) -> PictureForm | VolumeForm:
    """Form of one sample."""
    if export:
        return export.form(name)
    return picture_form(folder / name) if kind == "image" else volume_form(folder / name)


def _candidates(choices: Choices, files: Files, export: Export | None) -> Candidates:
    """Samples by a table, by the names of files, or by folders."""
    if choices.label_from_name is not None:
        return labelled_by_name(files.samples, choices.label_from_name)
    table, unused = _table(choices, files)
    if table is not None:
        finder = SeriesFinder(export) if export else Finder(files.samples, files.masks)
        columns = find_columns(table, choices.columns, by_patient=export is not None)
        return by_table(table, columns, finder).with_remarks(*unused)
    try:
        if export:
            found = export.by_folders()
        else:
            found = by_folders(files.samples, grouped=not choices.ungrouped)
    except DataError as error:
        if not files.sheets:
            raise
        sheet = choices.folder / files.sheets[0]
        raise DataError(f"{error}. {sheet} is not read: save it as CSV") from error
    return found.with_remarks(*unused)


def _table(choices: Choices, files: Files) -> tuple[Table | None, tuple[Remark, ...]]:
    """The table that says what the samples are, if there is one."""
    if choices.table is not None:
        return read_table(choices.table), ()
    tables = {name: read_table(choices.folder / name) for name in files.tables}
    roles = {
        name: recognised(tuple(table.columns)).keys() | choices.columns.keys()
        for name, table in tables.items()
    }
    calls = {"file", "id", "group"} if files.form == DICOM else {"file", "id"}
    fitting = [name for name in tables if "label" in roles[name] and calls & roles[name]]
    if not fitting and choices.columns:
        return (next(iter(tables.values())) if len(tables) == 1 else _no_table(choices, files)), ()
    most = max((len(roles[name]) for name in fitting), default=0)
    best = [name for name in fitting if len(roles[name]) == most]
    if len(best) > 1:
        msg = f"{choices.folder}: each of {', '.join(best)} may say what the samples are; choose"
        raise DataError(f"{msg} by --csv")
    text = "Not used, since it says less of the samples or nothing (--csv and --label choose)"
    others = tuple(name for name in tables if name not in best)
    unused = (Remark(topic="table", text=text, names=others),) if others else ()
    return (tables[best[0]] if best else None), unused


def _no_table(choices: Choices, files: Files) -> Table:
    given = ", ".join(f"--{role}" for role in choices.columns)
    some = f"one of {', '.join(files.tables)}" if files.tables else "there is none in the folder"
    raise DataError(f"{choices.folder}: {given} names a column; name its table by --csv, {some}")


def _doubts(draft: Draft) -> Iterator[Remark]:
    """Remarks on what may keep the task from being run."""
    counts = draft.class_counts
    units: dict[int, set[str]] = {label: set() for label in range(len(draft.classes))}
    for sample, label in zip(draft.samples, draft.labels, strict=True):
        units[label].add(sample.group or sample.id)
    few = [draft.classes[label] for label, each in units.items() if len(each) < 6]
    if few:
        what = f"{draft.group}s" if draft.group else "samples"
        text = f"Too few {what} for five folds in {counted(len(few), 'class')} of {len(counts)}"
        yield Remark(topic="doubt", text=text, names=tuple(few))
    if draft.official and not any(sample.part == 1 for sample in draft.samples):
        yield Remark(topic="split", text="The given split has no validation part")
