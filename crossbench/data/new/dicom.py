"""Samples of a DICOM export: series instead of files, patients as groups."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from crossbench.data.formats.dicom import LeftOut, list_series, read_dicom_picture, read_volume
from crossbench.data.formats.dicom.bounds import NO_DICOM
from crossbench.data.formats.dicom.series import merged
from crossbench.data.formats.pictures import is_copied
from crossbench.data.formats.prepared import dicom_form
from crossbench.data.new.choices import Choices
from crossbench.data.new.finder import Finder, folded
from crossbench.data.new.folders import by_folders
from crossbench.data.new.forms import PictureForm, check_damaged
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from crossbench.data.formats.dicom import Series, SeriesListing
    from crossbench.data.formats.nifti import VolumeForm
    from crossbench.data.new.candidates import Candidate, Candidates
    from crossbench.data.new.files import Files

_OTHER_MODALITY = "of another modality than --modality says"
_OTHER_SERIES = "of a series whose description --dicom-series is not found in"


@dataclass(frozen=True, kw_only=True)
class Export:
    """The series below a folder.

    Attributes:
        folder: The folder.
        series: Series by the path of their first file below the folder, in order of these.
        kind: ``image`` or ``volume``.
        files: The folder's files, of which a series' first file stands for it.
        frame: Which frame of a cine loop is taken.
    """

    folder: Path
    series: Mapping[str, Series]
    kind: str
    files: Files
    frame: str
    _notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def form(self, name: str) -> PictureForm | VolumeForm:
        """Read a series and say what it is.

        Raises:
            DataError: If it is damaged, or not one plain picture or volume.
        """
        series = self.series[name]
        if series.refused:
            raise DataError(f"{self.folder / name}: {series.refused}")
        if series.kind == "volume":
            volume = read_volume(series)
            self._notes[name] = volume.notes
            return dicom_form(volume)
        picture = read_dicom_picture(series.files[0], frame=self.frame)
        self._notes[name] = (*series.notes, *picture.notes)
        gray = picture.pixels.ndim == 2 or is_copied(picture.pixels)
        return PictureForm(
            size=picture.pixels.shape[:2],
            channels=1 if gray else 3,
            dtype=picture.pixels.dtype.name,
            traits=(),
        )

    def by_folders(self) -> Candidates:
        """Samples by the folders that all files of their series lie in.

        Raises:
            DataError: If files lie in no class folders, or a series in several.
        """
        owner = {
            file.relative_to(self.folder).as_posix(): name
            for name, series in self.series.items()
            for file in (*series.files, *series.others)
        }
        found = by_folders(sorted(owner), grouped=False)
        samples: dict[str, Candidate] = {}
        for each in found.samples:
            known = samples.setdefault(owner[each.file], each)
            if (known.label, known.part) != (each.label, each.part):
                msg = f"{self.folder / known.file}: its series also lies in another class or part"
                raise DataError(f"{msg} ({each.file}); keep one of them")
        kept = (replace(samples[name], file=name, id=name) for name in sorted(samples))
        return replace(found, samples=tuple(kept))

    def remarks(self) -> Iterator[Remark]:
        """Remarks on choices and corrections, with the number of series of each."""
        reader = "dcm2niix" if self.kind == "volume" else "pydicom"
        text = f"Read by {reader} {version(reader)}, intensities rescaled as the headers say"
        yield Remark(topic="DICOM", text=text)
        yield from self._on_mixture()
        noun = "picture" if self.kind == "image" else "volume"
        told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, notes in sorted(self._notes.items()):
            for note in notes:
                told[re.sub(r"\d[\d.,]*", "#", note)][note].append(name)
        for pattern, texts in told.items():
            names = tuple(name for each in texts.values() for name in each)
            text = pattern.replace("#", "...") if len(texts) > 1 else next(iter(texts))
            yield Remark(topic="DICOM", text=f"{counted(len(names), noun)}: {text}", names=names)

    def _on_mixture(self) -> Iterator[Remark]:
        """Remarks on several modalities, or several series of a patient, in one task."""
        modalities = Counter(each.modality for each in self.series.values())
        if len(modalities) > 1:
            counts = ", ".join(f"{count:,} {name}" for name, count in sorted(modalities.items()))
            yield Remark(topic="DICOM", text=f"Modalities are mixed ({counts}); --modality chooses")
        patients = Counter(each.patient for each in self.series.values() if each.patient)
        several = sum(count > 1 for count in patients.values())
        named = Counter(each.description or "none" for each in self.series.values())
        if self.kind == "volume" and several:
            text = f"{counted(several, 'patient')} of {len(patients):,} with several series, each a"
            text = f"{text} sample; --dicom-series chooses by their descriptions"
            names = tuple(f"{name} ({count})" for name, count in named.most_common())
            yield Remark(topic="DICOM", text=text, names=names)

    def completed(self, choices: Choices) -> Choices:
        """The choices with the modality of the headers, where the user gives none."""
        if choices.modality != Choices.modality:
            return choices
        modalities = sorted({each.modality for each in self.series.values()})
        return replace(choices, modality=", ".join(modalities))

    def grouped(self, found: Candidates) -> Candidates:
        """Samples whose groups are the patients of the headers, where nothing else says them."""
        if not any(each.patient for each in self.series.values()):
            return found
        text = "Groups are the patients that the headers name (PatientID)"
        samples = tuple(
            replace(sample, group=self.series[sample.file].patient) for sample in found.samples
        )
        remarks = [each for each in found.remarks if each.topic != "groups"]
        said = Remark(topic="groups", text=text)
        return replace(found, samples=samples, group="patient", remarks=(*remarks, said))


def look_at_export(choices: Choices, files: Files) -> Export:
    """List the series below a folder.

    Raises:
        DataError: If there are none, pictures and volumes, single slices, or damaged files that
            are not to be left out.
    """
    listing = list_series(choices.folder, choices.dicom)
    broken = (each for each in listing.left_out if each.damaged)
    faults = [f"{file}: {each.reason}" for each in broken for file in each.files]
    check_damaged(faults, skip=choices.skip_damaged)
    chosen, left_out = _chosen(listing, choices)
    kinds = {each.kind for each in chosen}
    if len(kinds) != 1 or (kinds == {"volume"} and max(each.slices for each in chosen) == 1):
        raise DataError(f"{choices.folder}: {_why_none(chosen, left_out)}")
    below = partial(_below, choices.folder)
    remarks = tuple(
        Remark(
            topic="left out",
            text=f"{counted(len(each.files), 'file')} left out: {each.reason}",
            names=tuple(map(below, each.files)),
        )
        for each in left_out
        if each.reason != NO_DICOM
    )
    series = {below(each.files[0]): each for each in chosen}
    return Export(
        folder=choices.folder,
        series=series,
        kind="volume" if kinds == {"volume"} else "image",
        files=replace(files, samples=tuple(series), remarks=(*files.remarks, *remarks)),
        frame=choices.dicom.frame,
    )


def _below(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _chosen(listing: SeriesListing, choices: Choices) -> tuple[list[Series], tuple[LeftOut, ...]]:
    """The series of the chosen modality and description, and what is left out."""
    chosen: list[Series] = []
    other_modality: list[LeftOut] = []
    other_series: list[LeftOut] = []
    one = any(each.modality == choices.modality for each in listing.series)
    pattern = choices.dicom_series
    for each in listing.series:
        if one and each.modality != choices.modality:
            other_modality.append(LeftOut(files=each.files, reason=_OTHER_MODALITY))
        elif pattern is not None and not pattern.search(each.description):
            other_series.append(LeftOut(files=each.files, reason=_OTHER_SERIES))
        else:
            chosen.append(each)
    return chosen, merged([*listing.left_out, *other_modality, *other_series])


def _why_none(chosen: Sequence[Series], left_out: Sequence[LeftOut]) -> str:
    """Reason that series are not those of one task."""
    if not chosen:
        reasons = "; ".join(each.reason for each in left_out)
        return f"no series of DICOM pictures or volumes; left out: {reasons}"
    counts = Counter((each.modality, each.kind) for each in chosen)
    if len({each.kind for each in chosen}) > 1:
        both = ", ".join(f"{n} {kind}s of {name}" for (name, kind), n in sorted(counts.items()))
        return f"pictures and volumes of DICOM ({both}); choose by --modality, such as CT"
    msg = f"{len(chosen)} series of one slice each, which are no volumes;"
    return f"{msg} --dicom-slices takes slices as pictures"


class SeriesFinder(Finder):
    """Series by what a table calls them: a patient, a file, or a folder of one series."""

    def __init__(self, export: Export) -> None:
        """See the class.

        Args:
            export: The series.
        """
        super().__init__(export.series)
        owners: dict[str, set[str]] = defaultdict(set)
        self._patients: dict[str, list[str]] = defaultdict(list)
        for name, series in export.series.items():
            self._patients[folded(series.patient)].append(name)
            for file in series.files:
                below = file.relative_to(export.folder)
                for place in (below, *below.parents[:-1]):
                    owners[place.as_posix()].add(name)
        self._owner = {place: min(each) for place, each in owners.items() if len(each) == 1}
        self._places = Finder(self._owner)

    def find(self, called: str, where: str) -> str:
        """The series that is called so; empty for none.

        Raises:
            DataError: If several are.
        """
        of_patient = self._patients.get(folded(called.strip()), [])
        if len(of_patient) > 1:
            msg = f"{where}: patient {called!r} has {len(of_patient)} series; name their folders or"
            raise DataError(f"{msg} files in a column, by --file")
        if of_patient:
            return of_patient[0]
        return self._owner.get(self._places.find(called, where), "")
