"""``crossbench data``: from a publisher's distribution or a folder to a checked data file."""

from __future__ import annotations

from typing import Any

from crossbench.cli.data import (
    card,
    fetch,
    groups,
    importing,
    new,
    remove,
    show,
    status,
    verify,
)

_COMMANDS: tuple[Any, ...] = (fetch, status, importing, new, groups, verify, show, card, remove)


def add(commands: Any) -> None:
    """Add the command's parser, and one for each thing it does."""
    parser = commands.add_parser("data", help="get, import, check and show data")
    inner = parser.add_subparsers(title="what to do", required=True, metavar="WHAT")
    for command in _COMMANDS:
        command.add(inner)
