"""Samples from a table: a file, a label and a group in each row."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crossbench.data.new.candidates import Candidate, Candidates, part_of
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossbench.data.formats.tables import Table
    from crossbench.data.new.finder import Finder

#: Names of columns by what they hold, the likeliest first, without case, spaces and signs.
_COLUMNS = {
    "file": "file filename filepath path image imagefile imagename imagepath imageid img scan "
    "volume",
    "label": "label labels class classname target diagnosis dx pathology category outcome "
    "finding y",
    "group": "group patient patientid subject subjectid participant participantid person personid "
    "case caseid pid lesionid lesion",
    "id": "id sampleid sample identifier",
    "split": "split part partition subset officialsplit",
    "covariate": "covariate",
}
_REQUIRED = ("file", "label")
_GROUPS = dict.fromkeys(("patient", "participant", "subject", "person", "p"), "patient") | {
    word: word for word in ("case", "lesion", "scan", "study", "eye", "nodule")
}


# -------------------------------------------------------------------------------- columns


def find_columns(
    table: Table, named: Mapping[str, str], *, by_patient: bool = False
) -> dict[str, str]:
    """The column of each role, found by its name or named by the user.

    Args:
        table: The table.
        named: Columns by role, as the user names them; in any case.
        by_patient: Whether files may be called by their patients.

    Raises:
        RequestError: If a column that is named is not there, or a required one is not found.
    """
    found = recognised(tuple(table.columns))
    for role, name in named.items():
        plain = {_plain(column): column for column in reversed(table.columns)}
        column = name if name in table.columns else plain.get(_plain(name))
        if column is None:
            known = ", ".join(table.columns)
            raise RequestError(f"{table.file}: no column {name!r} (--{role}); it has {known}")
        found[role] = column
    if "file" not in found and "id" in found:  # often the name of the file
        found["file"] = found["id"]
    if "file" not in found and by_patient and "group" in found:
        found["file"] = found["group"]
    for role in _REQUIRED:
        if role not in found:
            known = ", ".join(table.columns)
            msg = f"{table.file}: no column is recognised as the {role}; name it by --{role}"
            raise RequestError(f"{msg}, one of {known}")
    return found


def recognised(columns: Sequence[str]) -> dict[str, str]:
    """Columns by role, as far as their names say it."""
    plain = {_plain(column): column for column in reversed(columns)}
    matches = {
        role: [plain[name] for name in names.split() if name in plain]
        for role, names in _COLUMNS.items()
    }
    return {role: found[0] for role, found in matches.items() if found}


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


# ------------------------------------------------------------------------------------ rows


@dataclass
class _Sorted:
    """Rows of a table on their way to samples."""

    samples: dict[str, Candidate] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def by_table(table: Table, columns: Mapping[str, str], files: Finder) -> Candidates:
    """Samples by the rows of a table.

    Rows without a file or a label are left out, and so are files without a row. Rows that say the
    same of a file count once; a file of which they say different things is left out.

    Raises:
        DataError: If no row has a file, or a covariate is no number.
    """
    cells = {role: table.columns[name] for role, name in columns.items()}
    parts = _parts(cells.get("split"))
    found = _Sorted()
    for place, name in enumerate(cells["file"]):
        file = files.find(name, str(table.file)) if name else ""
        label = cells["label"][place]
        if not file or not label:
            why = "the file that it names is not there" if not file else "it has no label"
            found.lost[f"row|{why}"].append(name or f"row {place + 2}")
            continue
        sample = Candidate(
            file=file,
            label=label,
            group=cells["group"][place] if "group" in cells else "",
            id=cells["id"][place] if "id" in cells else file,
            part=parts[place] if parts else -1,
            covariate=_number(table, columns, cells, place),
        )
        _take(found, sample)
    if not found.samples:
        some = ", ".join(cells["file"][:3])
        msg = f"{table.file}: no row's {columns['file']!r} ({some}, ...) names a file of the folder"
        raise DataError(f"{msg}; name another column by --file")
    rest = [file for file in files.names if file not in found.samples]
    if rest:
        found.lost["file|no row of the table names it"].extend(rest)
    samples = _identified(tuple(found.samples.values()), columns)
    return Candidates(
        samples=samples,
        group=_word(columns["group"]) if any(each.group for each in samples) else "",
        remarks=tuple(_remarks(table, columns, found, official=bool(parts))),
    )


def _take(found: _Sorted, sample: Candidate) -> None:
    known = found.samples.get(sample.file)
    if any(sample.file in names for why, names in found.lost.items() if "contradict" in why):
        return
    if known is None:
        found.samples[sample.file] = sample
    elif (known.label, known.group) == (sample.label, sample.group):
        found.lost["row|it repeats another"].append(sample.file)
    else:
        found.lost["file|rows of the table contradict each other on it"].append(sample.file)
        del found.samples[sample.file]


def _identified(
    samples: tuple[Candidate, ...], columns: Mapping[str, str]
) -> tuple[Candidate, ...]:
    """Samples with identifiers that differ: those of the table, or else their files."""
    if len({sample.id for sample in samples}) == len(samples) and "id" in columns:
        return samples
    return tuple(replace(sample, id=sample.file) for sample in samples)


def _number(
    table: Table, columns: Mapping[str, str], cells: Mapping[str, Sequence[str]], place: int
) -> float:
    if "covariate" not in cells:
        return math.nan
    text = cells["covariate"][place]
    try:
        number = float(text.replace(",", ".") if table.comma else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        msg = f"{table.file}: column {columns['covariate']!r} is {text!r} in row {place + 2}"
        raise DataError(f"{msg}; a covariate needs a number for each sample")
    return number


def _parts(words: Sequence[str] | None) -> list[int]:
    """Codes of the parts of a split; none where a word is none of theirs."""
    codes = [part_of(word) for word in words or ()]
    return codes if codes and min(codes) >= 0 else []


def _word(column: str) -> str:
    """Kind of the groups of a column: ``Patient ID`` holds patients."""
    word = _plain(column).removesuffix("id").removesuffix("no").removesuffix("number")
    return _GROUPS.get(word, "group")


def _remarks(
    table: Table, columns: Mapping[str, str], found: _Sorted, *, official: bool
) -> Iterator[Remark]:
    taken = ", ".join(f"{role} {columns[role]!r}" for role in _COLUMNS if role in columns)
    yield Remark(topic="table", text="Columns taken", names=(f"{taken} of {table.file.name}",))
    if "split" in columns and not official:
        text = "The column of the split holds other words than train, val and test: not used"
        yield Remark(topic="split", text=text, names=(columns["split"],))
    for key, names in found.lost.items():
        noun, _, why = key.partition("|")
        text = f"{counted(len(names), noun)} left out: {why}"
        yield Remark(topic="left out", text=text, names=tuple(names))
