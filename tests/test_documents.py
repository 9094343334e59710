"""Every module, file and command that the documents name exists."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest

from crossbench.cli import _parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("[tl]*/*/**/README.md")),
]
TOP = "crossbench|baselines|tasks|leaderboard|tests|scripts|docs"
GROUPS = {
    f"crossbench.{name}"
    for name in (
        "columns",
        "tasks",
        "tracks",
        "methods",
        "observers",
        "groupings",
        "importers",
        "inputs",
        "views",
        "weights",
        "presets",
        "published",
    )
}

_NAME = re.compile(r"\bcrossbench(?:_\w+)?(?:\.\w+)+(?![\w./*-])")
_FILE = re.compile(rf"(?<![\w./-])(?:{TOP})/[\w./-]*\w")
_IMPORT = re.compile(r"^from (crossbench[\w.]*) import (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```\w*\n(.*?)^```|^    (\S.*?\n)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:\$ |for .*do )?((?:crossbench|make|python scripts\S+)(?= )[^;]*)")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def resolve(name: str) -> object:
    """The module, or what is in it."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def commands(text: str) -> list[str]:
    """Command lines of the code blocks, continued lines joined and comments left out."""
    blocks = (match[1] or match[2] for match in _BLOCK.finditer(text.replace("\\\n", " ")))
    found = (_COMMAND.match(line) for block in blocks for line in block.splitlines())
    return [match[1].partition(" #")[0].strip() for match in found if match]


@each_document
def test_every_module_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for name in set(_NAME.findall(text)) - GROUPS:
        assert resolve(name) is not None, name
    for module, names in _IMPORT.findall(text):
        for name in names.split(", "):
            assert hasattr(import_module(module), name), f"{module} has no {name}"


@each_document
def test_every_file_is_there(document: Path) -> None:
    names = set(_FILE.findall(document.read_text(encoding="utf-8")))
    lacking = {
        name
        for name in names
        if not re.search(r"\b[A-Z]{4,}\b(?!\.md)", name) and not (ROOT / name).exists()
    }
    assert lacking == set()


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in anchors, link


@each_document
def test_every_command_is_understood(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in commands(document.read_text(encoding="utf-8")):
        program, *words = takewhile(lambda word: word != ">", shlex.split(line))
        if program == "make":
            assert words[0] in targets, line
        elif program == "python":
            assert (ROOT / words[0]).is_file(), line
        else:
            try:
                _parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"{line}\n{capsys.readouterr().err}")


def flags(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command and of its subcommands."""
    found = {word for action in parser._actions for word in action.option_strings}
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    return found.union(*(flags(each) for group in groups for each in group.choices.values()))


@each_document
def test_every_flag_is_one(document: Path) -> None:
    of_scripts = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("scripts/*.py"))
    known = flags(_parser()) | set(re.findall(r'"(--[a-z-]+)"', of_scripts))
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`(--[a-z-]+)|`crossbench [^`]*?(--[a-z-]+)", text)
    assert {name for pair in named for name in pair if name} <= known


def test_a_name_that_is_not_there_is_found_out() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        resolve("crossbench.no_such_thing")
    assert commands("```\ncrossbench run \\\n  --dry-run   # the plan\n```") == [
        "crossbench run    --dry-run"
    ]
