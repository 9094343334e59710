"""Parcellated recordings as text, with a table of participants: derivatives of BIDS and their kin.

One file a participant, found by name: ``sub-01_task-rest_atlas-A_timeseries.tsv`` beside
``participants.tsv``, or ``Pitt_0050003_rois_cc200.1D`` beside ABIDE's table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.data.formats.tables import read_table
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import words
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._participants import match_files, read_participants
from crossbench_tasks.importers._series import check_regions, check_series, read_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_DISPLACEMENT = "framewise_displacement"


class Recordings(Importer):
    """Participants of a table who have a label and a file.

    Options: ``table``, and in it the columns ``id``, ``label``, ``group`` (the participant, where
    it is empty) and ``site`` (several are joined); ``classes``, the label's values in the order of
    the card's classes (their names, where it is empty); ``covariates`` as ``NAME=COLUMN``, or
    ``NAME=COLUMN:VALUE``, which is 1 where the cell is that value; ``files``, the names of
    recordings, and ``motion``, those of fMRIPrep's confounds, for the mean framewise displacement;
    ``drop``, columns that are no regions; ``rows``, ``volumes`` or ``regions``; ``exclude``,
    participants to be left out.
    """

    name = "recordings"
    ragged = True
    sited = True
    defaults: ClassVar[Mapping[str, Option]] = {
        "table": "participants.tsv",
        "id": "participant_id",
        "label": "",
        "classes": (),
        "group": "",
        "site": (),
        "covariates": (),
        "files": "{id}_*timeseries.tsv",
        "motion": "",
        "drop": (),
        "rows": "volumes",
        "exclude": (),
    }

    def list(self, source: Distribution) -> Listing:
        """The participants in the order of the table."""
        options, folder = source.options, source.folder
        _check(options)
        people = read_participants(folder, options, source.card.classes)
        files, strays = match_files(folder, str(options["files"]), people.names)
        people.check_once(files)
        motion: dict[str, str] = {}
        if options["motion"]:
            motion, _ = match_files(folder, str(options["motion"]), people.names)
        samples, dropped = [], []
        for row, (name, label) in enumerate(zip(people.names, people.labels, strict=True)):
            if name in words(options, "exclude"):
                dropped.append((name, "excluded as asked for"))
            elif label is None:
                dropped.append((name, f"no value in column {options['label']!r}"))
            elif name not in files:
                dropped.append((name, "no file of this participant"))
            else:
                own = {"mean_fd": _displacement(folder / motion[name])} if name in motion else {}
                sample = Original(
                    id=name,
                    label=label,
                    files=(files[name], *self.beside(source, motion.get(name))),
                    group=people.group(row),
                    site=people.site(row),
                    covariates=people.covariates(row) | own,
                )
                samples.append(sample)
        dropped += [(path, "file of no row of the table") for path in strays]
        self.check(source, [sample.files[0] for sample in samples])
        return Listing(samples=tuple(samples), dropped=tuple(dropped), notes=self.notes(source))

    def beside(self, source: Distribution, motion: str | None) -> tuple[str, ...]:  # noqa: ARG002
        """Further files that a sample is read from."""
        return ()

    def check(self, source: Distribution, files: Sequence[str]) -> None:
        """Refuse files that differ in their regions."""
        if source.options["rows"] == "volumes":
            check_regions(source.folder, files, words(source.options, "drop"))

    def notes(self, source: Distribution) -> tuple[str, ...]:  # noqa: ARG002
        """What is to be said of how samples are read."""
        return ("values are kept as float32",)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(R, T) float32."""
        file, options = source.folder / sample.files[0], source.options
        series = read_series(file, drop=words(options, "drop"), rows=str(options["rows"]))
        check_series(series, source.card, where=file)
        return series


def _check(options: Mapping[str, Option]) -> None:
    if not options["label"]:
        raise RequestError("option label is empty; name the table's column that holds the label")
    if options["rows"] not in ("volumes", "regions"):
        raise RequestError(f"option rows is {options['rows']!r}; it must be volumes or regions")
    for name in ("files", "motion"):
        if options[name] and "{id}" not in str(options[name]):
            msg = f"option {name} is {options[name]!r}; it must have {{id}} where names of files"
            raise RequestError(f"{msg} have the participant's")


def _displacement(file: Path) -> float:
    """Mean framewise displacement in mm over the volumes that have one."""
    table = read_table(file)
    if not table.has(_DISPLACEMENT):
        raise DataError(f"{file}: no column {_DISPLACEMENT!r}; correct option motion")
    try:
        values = [float(cell) for cell in table.columns[_DISPLACEMENT] if cell]
    except ValueError as error:
        raise DataError(f"{file}: {_DISPLACEMENT} must be numbers ({error})") from error
    return math.fsum(values) / len(values) if values else math.nan
