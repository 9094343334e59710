"""``crossbench data new``: from a folder of one's own files to a task."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from crossbench.cli.arguments import add_data_dir, data_root, matching, path
from crossbench.cli.output import EXIT_OK, aside, counting, print_json
from crossbench.errors import RequestError
from crossbench.specs.preparation import Fit

if TYPE_CHECKING:
    import argparse

    from crossbench.data.new.choices import Choices

_ROLES = {
    "file": "holds the files",
    "label": "holds the classes",
    "group": "says what belongs together: patients",
    "id": "holds identifiers of samples",
    "split": "says train, val or test",
    "covariate": "holds a number to predict from, such as an age",
}


def add(commands: Any) -> None:
    """Add the command's parser."""
    new = commands.add_parser(
        "new",
        help="make a task of a folder of your own files",
        description="Look at a folder of pictures, NIfTI volumes or DICOM, in class folders or "
        "with a table, make a data file and a card of it, and say what was assumed. Identifiers of "
        "files and patients are replaced by keyed hashes.",
    )
    new.set_defaults(command=_new)
    new.add_argument(
        "--from", dest="folder", type=path, required=True, metavar="FOLDER", help="your files"
    )
    new.add_argument("--name", default="mine", help="name of the task, in kebab case (mine)")
    new.add_argument("--title", default="", help="its name for people (the name)")
    new.add_argument(
        "--modality", default="unknown", help="CT, MRI, ...; of DICOM, takes CT or MR alone"
    )
    new.add_argument(
        "--out", type=path, default=Path(), metavar="FOLDER", help="where NAME.toml goes (here)"
    )
    add_data_dir(new)
    _add_labels(new.add_argument_group("classes and groups"))
    _add_form(new.add_argument_group("form of the samples"))
    _add_dicom(new.add_argument_group("DICOM series"))
    how = new.add_argument_group("how")
    how.add_argument(
        "--keep-ids", action="store_true", help="keep names of files and patients as they are"
    )
    how.add_argument(
        "--skip-damaged", action="store_true", help="leave out files that cannot be read"
    )
    how.add_argument("--overwrite", action="store_true", help="write a card anew that is there")
    how.add_argument("--dry-run", action="store_true", help="say what would be made; write nothing")
    how.add_argument("--json", action="store_true", help="print JSON")


def _add_labels(labels: Any) -> None:
    labels.add_argument(
        "--csv", dest="table", type=path, metavar="FILE", help="the table (one that is in FOLDER)"
    )
    for role, words in _ROLES.items():
        labels.add_argument(f"--{role}", metavar="COLUMN", help=f"column that {words}")
    labels.add_argument(
        "--label-from-name",
        type=_pattern,
        metavar="REGEX",
        help="find the class in the name of a file",
    )
    labels.add_argument(
        "--group-from-name",
        type=_pattern,
        metavar="REGEX",
        help="find the patient in the name of a file: '^patient\\d+'",
    )
    labels.add_argument(
        "--ungrouped", action="store_true", help="folders within class folders are no patients"
    )


def _add_form(form: Any) -> None:
    form.add_argument(
        "--spacing", type=_lengths, metavar="MM", help="resample volumes; one number, or D,H,W"
    )
    size = form.add_mutually_exclusive_group()
    size.add_argument(
        "--size", type=_sides, metavar="PIXELS", help="of pictures; one number, or H,W"
    )
    size.add_argument(
        "--shape", type=_sides, metavar="VOXELS", help="resize volumes; one number, or D,H,W"
    )
    size.add_argument(
        "--crop", type=_sides, metavar="N", help="cut the middle out, or fill up; N or N,N[,N]"
    )
    form.add_argument(
        "--fit",
        choices=get_args(Fit),
        help="how --size or --shape is reached (pad for pictures, stretch for volumes)",
    )


def _add_dicom(dicom: Any) -> None:
    dicom.add_argument(
        "--dicom-series",
        type=partial(_pattern, flags=re.IGNORECASE),
        metavar="REGEX",
        help="take the series whose description this is found in: 't1.*post'",
    )
    dicom.add_argument(
        "--dicom-volume",
        type=_count,
        default=0,
        metavar="N",
        help="take the Nth volume of a series of several: echoes, phases, time points",
    )
    dicom.add_argument(
        "--dicom-frame", choices=("first", "middle"), default="", help="take a frame of cine loops"
    )
    dicom.add_argument(
        "--dicom-missing", action="store_true", help="accept missing slices, interpolated"
    )
    dicom.add_argument(
        "--dicom-doubled", action="store_true", help="take the first of slices at one place"
    )
    dicom.add_argument(
        "--dicom-slices", action="store_true", help="take each slice of CT, MR, ... as a picture"
    )
    dicom.add_argument(
        "--dicom-reformats", action="store_true", help="take derived reformats (MPR, MIP)"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)


def _pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _sides(text: str) -> tuple[int, ...]:
    try:
        sides = tuple(int(part) for part in re.split("[,x]", text))
    except ValueError:
        sides = (0,)
    if min(sides) < 1:
        raise ArgumentTypeError(f"{text!r} must be whole numbers from 1, parted by commas")
    return sides


def _lengths(text: str) -> tuple[float, ...]:
    try:
        lengths = tuple(float(part) for part in re.split("[,x]", text))
    except ValueError:
        lengths = (0.0,)
    if not all(0 < length < float("inf") for length in lengths):
        raise ArgumentTypeError(f"{text!r} must be positive numbers of mm, parted by commas")
    return lengths


def _new(options: argparse.Namespace) -> int:
    from crossbench.data.new.card import check_place, write_card
    from crossbench.data.new.draft import look
    from crossbench.data.new.files import check_folder
    from crossbench.data.new.importer import make_file
    from crossbench.data.new.report import as_json, in_words, made_in_words
    from crossbench.files.paths import cache_dir

    choices = _choices(options)
    choices.check()
    place = options.out / f"{options.name}.toml"
    root = data_root(options)
    check_folder(options.folder)
    if not options.dry_run:
        check_place(place, overwrite=options.overwrite)
    with aside(), counting("looking at files") as listener:
        draft = look(choices, listener)
    if not options.json:
        print("\n".join(in_words(draft)), flush=True)
    if options.dry_run:
        if options.json:
            print_json(as_json(draft))
        return EXIT_OK
    with aside(), counting("making the data file") as listener:
        made, card = make_file(draft, root, cache_dir=cache_dir(), listener=listener)
    write_card(card, place)
    if options.json:
        print_json(as_json(draft, made=made, card=place) | {"warnings": list(made.warnings)})
    else:
        print("\n".join(made_in_words(draft, made, card=place, root=options.data_dir)))
    return EXIT_OK


def _choices(options: argparse.Namespace) -> Choices:
    from crossbench.data.formats.prepared import dicom_choice
    from crossbench.data.new.choices import Choices

    if options.crop and options.fit:
        raise RequestError(f"--crop does not resize, and --fit {options.fit} says how; drop one")
    given = {role: getattr(options, role) for role in _ROLES}
    made = {
        "columns": {role: column for role, column in given.items() if column is not None},
        "size": options.size or options.shape or options.crop,
        "fit": "centre" if options.crop else options.fit,
        "dicom": dicom_choice(options),
    }
    return Choices(**matching(options, Choices) | made)
