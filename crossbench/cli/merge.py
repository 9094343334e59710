"""``crossbench merge``: the records of several folders in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_folders, path
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, say

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    merge = commands.add_parser("merge", help="copy the records of several folders into one")
    merge.set_defaults(command=_merge)
    add_folders(merge)
    merge.add_argument("--into", type=path, required=True, metavar="DIR")


def _merge(options: argparse.Namespace) -> int:
    from crossbench.results.records.merge import merge

    merged = merge(options.folders, options.into)
    say([f"left out: {path}: {reason}" for path, reason in merged.broken])
    say([f"{merged.copied} records copied into {options.into}"])
    return EXIT_FAILED if merged.broken else EXIT_OK
