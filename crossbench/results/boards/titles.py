"""Boards in words: what is compared on one, for a heading, and its settings for the line below."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from crossbench.results.boards.boards import tasks_of
from crossbench.results.boards.notes import grid_in_words
from crossbench.results.records.overrides import COMPUTE, beside_preset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.board import Board

_PROTOCOLS = {"lora": "LoRA", "finetune": "fine-tuning"}
_NO_WEIGHTS = ("", "none")
# What tells boards of one heading apart, what says most first.
_PARTS = {"preset": "preset {}", "backbone": "{}", "source": "{} data", "settings": "{}"}
_SETTINGS = ("split_settings", "fit_settings")
_LABELLED = re.compile(r"split\.max_labelled = (\d+|null)")


def heading(board: Board) -> str:
    """What a board compares, in words: ``3D tasks, random weights, weak probe``."""
    shared = board.shared
    phantom = "Phantoms of " if board.source == "phantom" else ""
    parts = [f"{phantom}{tasks_of(shared)}", _weights(shared.get("init", ""))]
    if "protocol" not in shared:
        return f"{parts[0]}, plain baselines alone"
    protocol = shared["protocol"]
    words = _PROTOCOLS.get(protocol, protocol.replace("-", " "))
    return ", ".join(filter(None, [*parts, words]))


def headings(boards: Sequence[Board]) -> list[str]:
    """The headings of boards that stand together, no two of them equal.

    What tells boards of one heading apart follows it: the preset, then the backbone, the data and
    the settings, of each as little as needed.
    """
    names = [heading(board) for board in boards]
    for part, words in _PARTS.items():
        told = [words.format(board.shared.get(part, "")) for board in boards]
        names = _told_apart(names, [in_words(each) for each in told])
    return _told_apart(names, [str(place + 1) for place in range(len(names))])


def setting_line(board: Board) -> str:
    """Data, preset, backbone and runs of a board, and the settings that are not its preset's."""
    shared = board.shared
    parts = [
        f"{board.source} data",
        f"preset {shared['preset']}",
        shared.get("backbone", "none").replace("none", ""),
        f"{grid_in_words(board)} a cell",
        *(f"{key} = {json.dumps(value)}" for key, value in differing_settings(board).items()),
    ]
    line = " · ".join(filter(None, parts))
    return line[0].upper() + line[1:]


def differing_settings(board: Board) -> dict[str, Any]:
    """The settings of a board, by dotted key, that differ from those of its preset."""
    return beside_preset(board.shared["preset"], _settings(board))


def in_words(settings: str) -> str:
    """Settings as a board tells them, the number of labelled samples in words."""
    return _LABELLED.sub(lambda found: f"{found[1]} labelled".replace("null", "all"), settings)


def _weights(init: str) -> str:
    if init in _NO_WEIGHTS:
        return ""
    return "random weights" if init == "random" else f"weights {init}"


def _told_apart(names: Sequence[str], parts: Sequence[str]) -> list[str]:
    """The names, each followed by its part where boards of that name differ in it."""
    kinds: dict[str, set[str]] = {}
    for name, part in zip(names, parts, strict=True):
        kinds.setdefault(name, set()).add(part)
    return [
        f"{name} · {part}" if len(kinds[name]) > 1 and part else name
        for name, part in zip(names, parts, strict=True)
    ]


def _settings(board: Board) -> dict[str, Any]:
    """Both groups of settings under the names of a preset."""
    runs = board.runs[board.runs["protocol"] != "plain"]
    first = (runs if len(runs) else board.runs).iloc[0]
    merged: dict[str, Any] = {}
    for column in _SETTINGS:
        merged |= json.loads(first[column])
    return {f"compute.{key}" if key in COMPUTE else key: value for key, value in merged.items()}
