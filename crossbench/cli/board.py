"""``crossbench board``: a folder of accepted bundles as a public leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, path
from crossbench.cli.output import EXIT_OK, print_json, say
from crossbench.errors.foreign import clean

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from crossbench.hosting.folder import HostedBoard
    from crossbench.hosting.submission import Submission


def add(commands: Any) -> None:
    """Add the command's parser, and one for each thing it does."""
    parser = commands.add_parser("board", help="host a leaderboard of other people's bundles")
    inner = parser.add_subparsers(title="what to do", required=True, metavar="WHAT")
    _add_new(inner)
    _add_add(inner)
    _add_remove(inner)
    _add_list(inner)
    _add_build(inner)


def _add_new(inner: Any) -> None:
    new = inner.add_parser("new", help="make an empty board")
    new.set_defaults(command=_new)
    new.add_argument(
        "folder", type=path, metavar="DIR", help="its folder, such as a git repository"
    )
    new.add_argument("--title", required=True, help="the board's name")
    new.add_argument("--description", default="", help="what it is, and how to submit to it")
    new.add_argument("--contact", default="", help="where to submit: an address, or a person")


def _add_add(inner: Any) -> None:
    adding = inner.add_parser(
        "add",
        help="accept a bundle that holds",
        description=(
            "Validate a bundle and keep it on the board. Of one method and track (or preset) the "
            "last submission counts; earlier ones are kept as superseded. What is in force "
            "already is left as it is. No code of the bundle is run. Exits with 0 where the bundle "
            "is on the board, 2 where it was refused."
        ),
    )
    adding.set_defaults(command=_add)
    adding.add_argument("bundle", type=path, metavar="BUNDLE", help="a .zip by crossbench submit")
    adding.add_argument("--to", dest="folder", type=path, required=True, metavar="DIR")
    adding.add_argument(
        "--others-may",
        action="store_true",
        help="let it supersede a submission of which none of its authors is one",
    )
    add_data_dir(adding)


def _add_remove(inner: Any) -> None:
    remove = inner.add_parser(
        "remove",
        help="take a submission, or a method, out of the standings",
        description="What is removed is kept, and shown with the reason and the date.",
    )
    remove.set_defaults(command=_remove)
    remove.add_argument("name", metavar="NAME", help="a submission's id, or a method's name")
    remove.add_argument("--from", dest="folder", type=path, required=True, metavar="DIR")
    remove.add_argument("--reason", required=True, metavar="TEXT", help="why; shown on the board")


def _add_list(inner: Any) -> None:
    listing = inner.add_parser("list", help="what was submitted, and what has become of it")
    listing.set_defaults(command=_list)
    listing.add_argument("folder", type=path, metavar="DIR", help="the board")
    listing.add_argument("--json", action="store_true", help="for programs")


def _add_build(inner: Any) -> None:
    build = inner.add_parser(
        "build",
        help="write the board as a static site",
        description=(
            "Write a folder of pages that opens from a disk or any web server: standings, a page a "
            "method and a page a task. It loads nothing from elsewhere and runs no script. A site "
            "that is there is replaced as a whole."
        ),
    )
    build.set_defaults(command=_build)
    build.add_argument("folder", type=path, metavar="DIR", help="the board")
    build.add_argument("--out", type=path, required=True, metavar="SITE", help="the site's folder")
    build.add_argument("--no-charts", action="store_true", help="tables alone, without pictures")


def _new(options: argparse.Namespace) -> int:
    from crossbench.hosting.changes import new_board
    from crossbench.hosting.folder import BoardSettings

    settings = BoardSettings(
        title=options.title, description=options.description, contact=options.contact
    )
    board = new_board(options.folder, settings)
    say([f"made the board {board.settings.title!r} in {board.folder}"])
    return EXIT_OK


def _add(options: argparse.Namespace) -> int:
    from crossbench.hosting.changes import add_bundle
    from crossbench.submissions.validation import validate_bundle

    def faults(bundle: Path) -> list[str]:
        verdict = validate_bundle(bundle, options.data_dir)
        say([clean(f"note: {note}") for note in verdict.notes])
        return [clean(f"{each.where}: {each.what}") for each in verdict.findings]

    done = add_bundle(options.folder, options.bundle, faults=faults, others_may=options.others_may)
    new = done.submission
    said = "is in force already; nothing was done" if done.was_there else "added"
    say([clean(f"{new.id}: {said} ({new.method}, {new.entry.grid}, {', '.join(new.authors)})")])
    say([clean(f"{each.id}: superseded by it") for each in done.superseded])
    return EXIT_OK


def _remove(options: argparse.Namespace) -> int:
    from crossbench.hosting.changes import remove_submission

    done = remove_submission(options.folder, options.name, options.reason)
    say([f"removed {each.id} ({each.method})" for each in done.submissions])
    say([f"in force again: {each.id} ({each.method})" for each in done.restored])
    return EXIT_OK


def _list(options: argparse.Namespace) -> int:
    from crossbench.hosting.folder import open_board

    board = open_board(options.folder)
    if options.json:
        print_json(_mapping(board))
    else:
        _print(board)
    return EXIT_OK


def _build(options: argparse.Namespace) -> int:
    from crossbench.hosting.folder import open_board
    from crossbench.hosting.site.build import build_site

    pages = build_site(open_board(options.folder), options.out, with_charts=not options.no_charts)
    say([f"wrote {pages} pages; open {options.out / 'index.html'}"])
    return EXIT_OK


def _mapping(board: HostedBoard) -> dict[str, Any]:
    settings = board.settings
    return {
        "title": settings.title,
        "description": settings.description,
        "contact": settings.contact,
        "submissions": [_facts(each) for each in board.submissions],
    }


def _facts(submission: Submission) -> dict[str, Any]:
    from crossbench.hosting.folder import SUBMISSIONS

    entry, manifest = submission.entry, submission.manifest
    return {
        "id": submission.id,
        "method": submission.method,
        "authors": list(submission.authors),
        "grid": entry.grid,
        "state": submission.state,
        "added": entry.added,
        "removed": entry.removed,
        "reason": entry.reason,
        "successor": submission.successor.id if submission.successor else "",
        "partial": manifest.partial,
        "crossbench": manifest.crossbench,
        "bundle": f"{SUBMISSIONS}/{submission.bundle.name}",
        "sha256": entry.sha256,
    }


def _print(board: HostedBoard) -> None:
    from crossbench.cli.columns import table

    rows = [
        {
            "name": clean(each.id),
            "method": clean(each.method),
            "authors": clean(", ".join(each.authors)),
            "grid": clean(each.entry.grid),
            "added": each.date,
            "state": clean(each.fate + " (partial)" * each.manifest.partial),
        }
        for each in board.submissions
    ]
    print(clean(board.settings.title))
    print(table(rows) if rows else "no submissions; `crossbench board add BUNDLE --to DIR`")
