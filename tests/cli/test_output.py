"""What methods print stays out of a command's own answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbench.cli.output import aside

LOUD = """
import ctypes, os, subprocess
from crossbench_baselines.conv3d import Conv3d

def shout(what):
    print(what, "by print")
    os.write(1, f"{what} by descriptor\\n".encode())
    subprocess.run(["echo", f"{what} by a child"], check=True)
    ctypes.CDLL(None).puts(f"{what} by C".encode())

shout("import")

class Loud(Conv3d):
    name = "loud"
    def layer_3d(self, layer):
        if layer.in_channels == 3:
            shout("conversion")
        return super().layer_3d(layer)

method = Loud()
"""

CODE = """
import sys
from crossbench.cli import main
sys.exit(main(sys.argv[1:]))
"""


def crossbench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_a_plugin_prints_stays_out_of_the_answer(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    plugin = tmp_path / "loud.py"
    plugin.write_text(LOUD)
    words = [
        "run",
        "--task",
        str(make_task()),
        "--data-dir",
        str(tmp_path),
        "--plugin",
        str(plugin),
    ]
    words += ["--method", "loud", "--out", str(tmp_path / "out"), "--backbone", "test_resnet"]
    words += [
        "--preset",
        "smoke",
        "--seeds",
        "43",
        "--folds",
        "0",
        "--device",
        "cpu",
        "--save-weights",
    ]
    done = crossbench(*words, "--set", "fit.epochs=1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failed"] == []
    for how in ("print", "descriptor", "a child", "C"):
        assert f"import by {how}\n" in done.stderr
        assert f"conversion by {how}\n" not in done.stderr  # in the log of a process of its own
    done = crossbench(
        *words, "--set", "fit.epochs=1", "--json", "--no-isolate", "--out", str(tmp_path / "here")
    )
    assert json.loads(done.stdout)["failed"] == []
    for how in ("print", "descriptor", "a child", "C"):
        assert f"conversion by {how}\n" in done.stderr
    (record,) = (tmp_path / "out").rglob("loud*/*.json")
    told = crossbench("predict", "--run", str(record), str(tmp_path / "blobs.npz"))
    assert told.returncode == 2
    assert f"{record} is of method 'loud', which a plugin defined; pass --plugin" in told.stderr
    assert "pass --plugin loud.py" in told.stderr
    words = ["predict", "--run", str(record), str(tmp_path / "blobs.npz"), "--plugin", str(plugin)]
    done = crossbench(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("file,sample,predicted,")
    assert " by " not in done.stdout
    assert "conversion by C\n" in done.stderr


def test_standard_output_is_as_it_was_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with aside() as answer:
        print("foreign")
        print("own", file=answer)
    print("after")
    assert capsys.readouterr() == ("own\nafter\n", "foreign\n")


def test_the_real_streams_are_as_they_were_afterwards() -> None:
    code = (
        "import os\nfrom crossbench.cli.output import aside\nprint('before')\n"
        "with aside() as answer:\n"
        "    os.write(1, b'foreign\\n')\n    print('own ±', file=answer)\n"
        "    print('foreign too')\n"
        "print('after')\nos.write(1, b'end\\n')\n"
    )
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True)
    assert done.stdout == "before\nown ±\nafter\nend\n"
    assert done.stderr == "foreign\nforeign too\n"


def test_a_closed_standard_error_is_no_obstacle() -> None:
    code = "from crossbench.cli.output import aside\nwith aside() as out:\n    "
    code += "print('own', file=out)\n    print('foreign')\n"
    command = f'exec 2>&-; {sys.executable} -c "$0"'
    done = subprocess.run(["sh", "-c", command, code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "own\n")
