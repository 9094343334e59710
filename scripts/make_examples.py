"""Make the example records again, and write their figures into the documents.

    python scripts/make_examples.py --dry-run       # time and disk of each command
    python scripts/make_examples.py                 # run what is missing, ship it, render
    python scripts/make_examples.py --set ct        # the same for one set of records
    python scripts/make_examples.py --render-only   # figures of the records that are shipped

``docs/examples.toml`` lists the commands and the blocks of the documents. Commands can be
interrupted: runs that have a record are skipped, a shipped one of this version too, and so are
benches that were measured under this version. Records replace the shipped ones once every command
of their set has succeeded.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from select_runs import select, under_one_setting

import crossbench
from crossbench.cli import main as command_line
from crossbench.execution import interpreter
from crossbench.results.boards.bench_frame import bench_frame
from crossbench.results.records.benches import read_benches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "examples.toml"
WORK = ROOT / "build" / "examples"
WIDTH = 100

_BLOCK = re.compile(r"(<!-- example: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def read_table() -> dict[str, Any]:
    """What ``docs/examples.toml`` holds."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def set_of(entry: Mapping[str, Any]) -> str:
    """The set of records that a command makes or a block shows."""
    return str(entry.get("set", "examples"))


def read_records(table: Mapping[str, Any]) -> dict[str, Records]:
    """The shipped records of every set."""
    return {name: Records(ROOT / folder) for name, folder in table["records"].items()}


# ------------------------------------------------------------------------------- the commands


def estimate(command: Mapping[str, str], folder: Path) -> str:
    """Time and disk that a command still takes, in words."""
    if "takes" in command:
        return "done" if _stamp(command, folder).exists() else command["takes"]
    process = _start(f"{command['run']} --dry-run", folder, stdout=subprocess.PIPE)
    printed = process.communicate()[0].strip().splitlines()
    return printed[-1] if process.returncode == 0 else "known once the commands above are done"


def run(command: Mapping[str, str], folder: Path) -> None:
    """Run a command in the folder of its set, unless it is done.

    Raises:
        SystemExit: If the command failed.
    """
    is_bench = "takes" in command  # other commands know by themselves what is done
    if is_bench and _stamp(command, folder).exists():
        return
    print(f"$ {command['run']}", flush=True)
    if code := _start(command["run"], folder).wait():
        raise SystemExit(code)
    if is_bench:
        _stamp(command, folder).touch()


def _start(line: str, folder: Path, **options: Any) -> subprocess.Popen[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return interpreter.start("-m", *shlex.split(line), cwd=folder, **options)


def _stamp(command: Mapping[str, str], folder: Path) -> Path:
    """The empty file that says of a bench that it is done."""
    words = re.sub(r"[^\w.]+", "-", command["run"].removeprefix("crossbench "))
    return folder / f"{words}-{crossbench.__version__}.done"


def resume(folder: Path, shipped: Path) -> None:
    """Copy the shipped records of this version that ``folder`` lacks: their runs are done."""
    for path in shipped.rglob("*.json"):
        versions = json.loads(path.read_bytes()).get("provenance", {}).get("versions", {})
        target = folder / "results" / path.relative_to(shipped)
        if versions.get("crossbench") == crossbench.__version__ and not target.exists():
            _copy_record(path, target.parent)


def _copy_record(path: Path, folder: Path) -> None:
    """Copy a record, and what lies beside it under its name, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in path.parent.glob(f"{path.stem}.*"):
        shutil.copy(file, folder)


def ship(folder: Path, shipped: Path) -> None:
    """Replace the shipped records by those in ``folder``; networks stay behind."""
    for old in shipped.iterdir() if shipped.exists() else ():
        if old.is_dir():
            shutil.rmtree(old)
    left = shutil.ignore_patterns("*.safetensors", "*.pt", "*.lock", ".*")
    shutil.copytree(folder / "results", shipped, ignore=left, dirs_exist_ok=True)


# --------------------------------------------------------------------------------- the blocks


class Records:
    """The shipped records of a set, as frames that are read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = crossbench.load_results(folder)
        self.benches = bench_frame(read_benches([folder])[0])


def render(document: Path, table: Mapping[str, Any], records: Mapping[str, Records]) -> str:
    """The document's text with every block made anew.

    Args:
        document: The file.
        table: What ``docs/examples.toml`` holds.
        records: By set.

    Raises:
        KeyError: If a marked block is not in the table.
    """

    def block(match: re.Match[str]) -> str:
        found = table["blocks"][match[2]]
        return f"{match[1]}{_render(found, table, records[set_of(found)])}\n{match[3]}"

    return _BLOCK.sub(block, document.read_text(encoding="utf-8"))


def _render(block: Mapping[str, Any], table: Mapping[str, Any], records: Records) -> str:
    if "commands" in block:
        commands = [each for each in table["commands"].values() if set_of(each) == set_of(block)]
        lines = [_wrapped(command["run"]) for command in commands]
        return "\n".join(["```sh", *lines, "```"])
    if "folder" in block:
        return rooms(ROOT / block["folder"])
    if "bench" in block:
        wide = _wide(records.benches, block["bench"])
        return markdown(block, {row: select(wide, each) for row, each in block["rows"].items()})
    if "rows" in block:
        runs = select(records.runs, block["where"])
        rows = {row: select(runs, where) for row, where in block["rows"].items()}
        return markdown(block, {row: under_one_setting(each) for row, each in rows.items()})
    lines = [f"$ {_wrapped(table['commands'][name]['run'])}" for name in block["after"]]
    results = block.get("results", "results")
    with _results(select(records.runs, block["where"]), records.folder, results):
        for shown in block["show"]:
            lines += [f"$ {shown}", *_printed(shown, block.get("tables", "")), ""]
    return "\n".join(["```text", *lines[:-1], "```"])


def rooms(folder: Path) -> str:
    """A Markdown table of a package's parts, by the first lines of their docstrings."""
    packages = [file for file in folder.rglob("__init__.py") if file.parent != folder]
    modules = [file for file in folder.glob("*.py") if not file.stem.startswith("_")]
    lines = ["| where | what |", "|---|---|"]
    for file in sorted([*packages, *modules]):
        where = file.relative_to(folder).as_posix().removesuffix("__init__.py")
        doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        lines.append(f"| `{where}` | {doc.partition(chr(10))[0].rstrip('.')} |")
    return "\n".join(lines)


def markdown(block: Mapping[str, Any], rows: Mapping[str, pd.DataFrame]) -> str:
    """A Markdown table, a line for each of the rows: ``cells`` format means and ``NAME_std``."""
    heads = block["heads"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for label, frame in rows.items():
        numbers = frame.select_dtypes("number")
        values = {**numbers.mean(), **numbers.std(ddof=0).add_suffix("_std")}
        cells = [cell.format(**values).replace("nan", "–") for cell in block["cells"]]
        lines.append(f"| {' | '.join([label, *cells])} |")
    return "\n".join(lines)


def _wide(benches: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One row a case, batch and method; columns by workload, memory in MiB."""
    case = ["case", "batch"]
    of = benches[benches["kind"] == kind].sort_values("started")
    of = of.drop_duplicates([*case, "workload", "method"], keep="last")
    of = of.assign(memory=of["peak_memory"] / 2**20)
    plain = of[of["method"] == of["baseline"]].rename(columns={"memory": "plain_memory"})
    of = of.merge(plain[[*case, "workload", "plain_memory"]], on=[*case, "workload"], how="left")
    wide = of.pivot_table(
        index=[*case, "method"],
        columns="workload",
        values=["ratio", "ratio_low", "ratio_high", "memory", "plain_memory"],
    )
    wide.columns = [f"{workload.replace('-', '_')}_{name}" for name, workload in wide.columns]
    return wide.reset_index()


@contextlib.contextmanager
def _results(chosen: pd.DataFrame, folder: Path, results: str) -> Iterator[None]:
    """Work in a folder whose results folder holds the chosen records."""
    with tempfile.TemporaryDirectory() as name:
        for path in map(Path, chosen["path"]):
            _copy_record(path, Path(name, results, path.relative_to(folder).parent))
        with contextlib.chdir(name), patch.dict(os.environ, COLUMNS=str(WIDTH)):
            yield


def _printed(line: str, titles: str | list[str]) -> list[str]:
    """What a command prints: the tables whose titles begin with one of ``titles``."""
    wanted = (titles,) if isinstance(titles, str) else tuple(titles)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if code := command_line(shlex.split(line)[1:]):
            raise RuntimeError(f"{line} ended with code {code}")
    tables = out.getvalue().rstrip().split("\n\n\n")
    kept = [table.strip("\n") for table in tables if table.strip("\n").startswith(wanted)]
    lines = "\n\n\n".join(kept).splitlines() + ["", "[...]"] * (len(kept) < len(tables))
    return [part for line in lines for part in textwrap.wrap(line, WIDTH) or [""]]


def _wrapped(line: str) -> str:
    """A command line broken before options."""
    lines = [""]
    for part in re.split(r" (?=--)", line):
        if len(lines[-1]) + len(part) > WIDTH - 8:
            lines.append("")
        lines[-1] = f"{lines[-1]} {part}".strip()
    return " \\\n    ".join(lines)


# -------------------------------------------------------------------------------- the command


def documents(table: Mapping[str, Any]) -> list[Path]:
    """The documents that hold blocks."""
    return [ROOT / name for name in dict.fromkeys(b["document"] for b in table["blocks"].values())]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    table = read_table()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dry-run", action="store_true", help="time and disk; run nothing")
    parser.add_argument("--render-only", action="store_true", help="run nothing, write documents")
    parser.add_argument("--set", choices=table["records"], help="run and ship this set alone")
    options = parser.parse_args(arguments)
    sets = [options.set] if options.set else list(table["records"])
    commands = {name: each for name, each in table["commands"].items() if set_of(each) in sets}
    if not options.render_only:
        for name in sets:
            resume(WORK / name, ROOT / table["records"][name])
        for name, command in commands.items():
            print(f"{name}: {estimate(command, WORK / set_of(command))}", flush=True)
    if options.dry_run:
        return 0
    if not options.render_only:
        for command in commands.values():
            run(command, WORK / set_of(command))
        for name in sets:
            ship(WORK / name, ROOT / table["records"][name])
    records = read_records(table)
    for document in documents(table):
        document.write_text(render(document, table, records), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
