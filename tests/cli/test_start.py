"""The price of a start: what every command would wait for is imported where it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "('numpy', 'pandas', 'torch', 'timm', 'sklearn')"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "tasks"],
        ["list", "methods"],
        ["weights", "list"],
        ["weights", "fetch", "a"],
    ],
)
def test_a_listing_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import contextlib, io, sys; from crossbench.cli import main\n"
        "with contextlib.ExitStack() as stack:\n"
        "    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))\n"
        "    stack.enter_context(contextlib.redirect_stderr(io.StringIO()))\n"
        "    stack.enter_context(contextlib.suppress(SystemExit))\n"
        f"    main({arguments})\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
