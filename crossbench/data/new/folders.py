"""Classes, parts of a split and groups, from the folders that files lie in."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from crossbench.data.new.candidates import Candidate, Candidates, part_of
from crossbench.data.new.remarks import Remark, some
from crossbench.data.words import counted
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_GROUPS = 6  # fewer sub-folders are kinds of samples rather than patients

_Parts = tuple[str, ...]


def by_folders(files: Sequence[str], *, grouped: bool = True) -> Candidates:
    """Samples by their folders: ``[PART/]CLASS/[GROUP/]FILE``.

    Folders that all samples share above the classes, or below them, say nothing and are skipped.

    Args:
        files: Paths below the folder that is looked at.
        grouped: Whether folders within class folders may be patients.

    Raises:
        DataError: If files lie in no class folders.
    """
    above = [PurePosixPath(file).parts[:-1] for file in files]
    above = _without_shared(above, keep=1)
    codes = [-1] * len(files)
    remarks = []
    if _are_parts(above):
        codes, above = [part_of(each[0]) for each in above], [each[1:] for each in above]
    elif all(len(each) > 1 for each in above) and all(part_of(each[1]) >= 0 for each in above):
        codes = [part_of(each[1]) for each in above]
        above = [(each[0], *each[2:]) for each in above]
    loose = [file for file, each in zip(files, above, strict=True) if not each]
    if len(loose) == len(files):
        msg = f"{counted(len(files), 'file')} lie in no class folders, such as {some(loose)};"
        msg = f"{msg} put those of a class into a folder of its name, or name a table by --csv and"
        raise DataError(f"{msg} its columns by --file and --label (or --label-from-name REGEX)")
    if loose:
        text = f"{counted(len(loose), 'file')} left out: in no class folder"
        remarks.append(Remark(topic="left out", text=text, names=tuple(loose)))
    kept = [place for place, each in enumerate(above) if each]
    below = _without_shared([above[place][1:] for place in kept], keep=0)
    groups, said = _groups(below) if grouped else ([""] * len(below), [])
    samples = tuple(
        Candidate(
            file=files[place],
            label=above[place][0],
            group=group,
            id=files[place],
            part=codes[place],
        )
        for place, group in zip(kept, groups, strict=True)
    )
    remarks.append(Remark(topic="classes", text="Classes are the names of folders"))
    return Candidates(
        samples=samples, group="folder" if any(groups) else "", remarks=(*remarks, *said)
    )


def _without_shared(above: list[_Parts], *, keep: int) -> list[_Parts]:
    """Without the first folder as long as it is the same for all and so many are left."""
    while all(len(each) > keep for each in above) and len({each[0] for each in above}) == 1:
        above = [each[1:] for each in above]
    return above


def _are_parts(above: list[_Parts]) -> bool:
    """Whether the first folders are the parts of a split.

    Raises:
        DataError: If some are and others are not.
    """
    names = {each[0] for each in above if each}
    parts = {name for name in names if part_of(name) >= 0}
    if len(parts) < 2:
        return False
    others = sorted(names - parts) + (["files beside them"] if () in above else [])
    if others:
        msg = f"folders {', '.join(sorted(parts))} are parts of a split, but not {some(others)};"
        raise DataError(f"{msg} take these elsewhere, or name a table by --csv")
    return True


def _groups(below: list[_Parts]) -> tuple[list[str], list[Remark]]:
    """The group of each sample: the folder in its class folder, where these can be patients."""
    names = [each[0] if each else "" for each in below]
    distinct = {name for name in names if name}
    if not distinct:
        return names, []
    if all(names) and len(distinct) >= _LEAST_GROUPS:
        text = "Groups are the folders within the class folders: taken as the patients"
        return names, [Remark(topic="groups", text=f"{text} (--ungrouped says that they are not)")]
    text = f"{counted(len(distinct), 'folder')} within class folders not taken as groups: too few"
    text = text if all(names) else f"{text[: -len('too few')]}not all samples lie in one"
    remark = Remark(topic="groups", text=text, names=tuple(sorted(distinct)))
    return [""] * len(names), [remark]
