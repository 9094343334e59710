"""Methods of a notebook: what their source is, and when it cannot be told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from crossbench.registry.method_identity import method_hash, read_config
from crossbench.registry.methods import find_methods, load_plugin

# Runs notebooks of cells as IPython does, and prints what each leaves in `answer`.
SHELL = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
from crossbench.registry.claims import objects
shell = InteractiveShell.instance(config=Config(HistoryManager={"hist_file": ":memory:"}))
answers = []
for folder, cells in json.load(sys.stdin):
    os.chdir(folder)
    objects.clear()
    shell.reset(new_session=True)
    for cell in cells:
        done = shell.run_cell(cell, store_history=True)
    error = done.error_in_exec or done.error_before_exec
    told = {"error": f"{type(error).__name__}: {error}" if error else ""}
    answers.append(told | shell.user_ns.get("answer", {}))
print("ANSWERS" + json.dumps(answers))
"""

IMPORTS = """import crossbench
from crossbench.registry.method_identity import identify, method_hash, sources
from crossbench.registry.methods import find_methods, load_method"""
MINE = """class Mine:
    '''Keeps what it is given.'''
    name = "mine"
    dims = (3,)

    def __init__(self, temp=1):
        self.temp = temp

    def layer_2d(self, conv):
        return helper(conv)

    def layer_3d(self, layer):
        return layer"""
HELPER = "SCALE = 2\ndef helper(conv):\n    return conv if SCALE else None"
TELL = """
answer = {
    "sha256": method_hash(method),
    "sources": {label: content.decode() for label, content in sources(method).items()},
}"""
REGISTER = "print('run')\nmethod = crossbench.register(Mine())" + TELL


def notebooks(*given: tuple[Path, list[str]]) -> list[dict[str, Any]]:
    """What notebooks of cells, each in a folder, leave in ``answer``, and their last errors."""
    asked = [(str(folder), [IMPORTS, *cells]) for folder, cells in given]
    done = subprocess.run(
        [sys.executable, "-c", SHELL], input=json.dumps(asked), capture_output=True, text=True
    )
    assert "ANSWERS" in done.stdout, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.rpartition("ANSWERS")[2])
    return found


def test_a_method_of_cells_is_the_plugin_that_these_amount_to(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 1\n")
    based = MINE.replace("class Mine", "class Mine(Base)")
    cells = [
        f"import math, beside\nunrelated = 1\n{HELPER.replace('None', 'beside.VALUE')}",
        f"class Base:\n    pass\nprint('nothing')\n{based}",
        "%who\nMine.extra = 3",
        "from __future__ import annotations",
        f"crossbench.register(Mine(temp=2))\nmethod = load_method('mine'){TELL}",
        "crossbench.write_plugin('mine', 'saved.py')",
        "method, = find_methods(['mine:temp=3'])\nanswer['other'] = method_hash(method)",
    ]
    (told,) = notebooks((tmp_path, cells))
    assert told["error"] == ""
    text = told["sources"]["<plugin>"]
    assert text.startswith("from __future__ import annotations\n\nimport math, beside\n\nSCALE = 2")
    assert text.endswith("\n\nMine.extra = 3\n\nmethod = Mine(temp=2)\n")
    assert "unrelated" not in text
    assert "print" not in text
    assert sorted(told["sources"]) == ["<plugin>", "beside.py"]
    file = tmp_path / "saved.py"
    assert file.read_text() == text
    saved = load_plugin(str(file))
    assert (method_hash(saved), read_config(saved)["temp"]) == (told["sha256"], 2)
    (other,) = find_methods(["mine:temp=3"], [str(file)])
    assert method_hash(other) == told["other"]


def test_what_a_method_is_made_of_changes_its_identity_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    changed = MINE.replace("return layer", "return layer or None")
    first, unrelated, helper, again = notebooks(
        (tmp_path, [HELPER, MINE, REGISTER]),
        (tmp_path, [f"temp = 1\n{MINE}\nconv = 2", "SCALE = 3", HELPER, REGISTER]),
        (tmp_path, [HELPER, "SCALE += 1", MINE, REGISTER]),
        (tmp_path, [HELPER, MINE, REGISTER, changed, REGISTER]),
    )
    assert [each["error"] for each in (first, unrelated, helper, again)] == [""] * 4
    assert unrelated["sources"]["<plugin>"].count("SCALE = 2") == 1
    for text in ("SCALE = 3", "temp = 1\n", "conv = 2"):
        assert text not in unrelated["sources"]["<plugin>"]
    assert len({each["sha256"] for each in (first, helper, again)}) == 3
    assert "layer or None" in again["sources"]["<plugin>"]


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    register = "crossbench.register(Mine())"
    later = MINE.replace("return layer", "return None")
    other = f"{MINE.replace('Mine', 'Other')}\ncrossbench.register(Other())"
    hidden = MINE.replace("self.temp = temp", "self._temp, self.steps = temp, temp + 1")
    (tmp_path / "there.py").touch()
    cases = {
        "Mine, of which class Mine is made, is not what its last cell says; run the cells again": [
            HELPER, MINE, "old = Mine", later, "crossbench.register(old())"
        ],
        "class Mine of the notebook refers to 'helper', which no cell defines": [
            MINE, "exec('def helper(conv): return conv')", register
        ],
        "class Mine of the notebook is defined at the top of no cell": [
            f"exec({MINE!r})", register
        ],
        "method 'mine' is not what Mine() makes": [HELPER, hidden, "crossbench.register(Mine(2))"],
        "method 'mine' is registered by an object of class Mine (crossbench.register) and an "
        "object of class Other (crossbench.register); rename one of them": [
            HELPER, MINE, register, other
        ],
        "an object of class int is no method: it lacks name, dims": ["crossbench.register(3)"],
        "unknown method 'mine'; ": ["crossbench.write_plugin('mine', 'new.py')"],
        "there.py exists; remove it, or write the plugin elsewhere": [
            HELPER, MINE, register, "crossbench.write_plugin('mine', 'there.py')"
        ],
    }  # fmt: skip
    told = notebooks(*((tmp_path, cells) for cells in cases.values()))
    for message, answer in zip(cases, told, strict=True):
        assert answer["error"].startswith(f"RequestError: {message}"), answer
