"""``crossbench compare``: whether one method is better than another, in words to quote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_folders
from crossbench.cli.output import EXIT_OK, print_json, say

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    compare = commands.add_parser("compare", help="say whether one method is better than another")
    compare.set_defaults(command=_compare)
    add_folders(compare)
    compare.add_argument("--baseline", required=True, metavar="METHOD")
    compare.add_argument("--candidate", required=True, metavar="METHOD")
    compare.add_argument("--metric", help="another metric than each board's own")
    compare.add_argument(
        "--rope",
        type=float,
        metavar="WIDTH",
        help="gains within +-WIDTH are practically equivalent (0.01; log loss 0.02 nats)",
    )
    compare.add_argument("--json", action="store_true", help="every number, for programs")


def _compare(options: argparse.Namespace) -> int:
    from crossbench.results.boards.compare import compare_boards
    from crossbench.results.records.loading import read_frame
    from crossbench.results.report.render import printable

    frame, broken = read_frame(options.folders)
    say([printable(f"left out: {path}: {reason}") for path, reason in broken])
    boards = compare_boards(
        frame,
        baseline=options.baseline,
        candidate=options.candidate,
        metric=options.metric,
        rope=options.rope,
    )
    if options.json:
        print_json({"boards": [board.to_mapping() for board in boards]})
    else:
        print("\n\n".join("\n\n".join(printable(board.lines())) for board in boards))
    return EXIT_OK
