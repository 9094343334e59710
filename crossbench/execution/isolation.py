"""One piece of work in a process of its own: JSON in, JSON out, and its end in words.

The work is named rather than handed over, as ``module:function``: the child imports it, calls it
with the arguments, and sends back what it returns. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

#: Exit code of a process whose parent is gone.
ORPHANED = 130

_CHILD = ("-m", "crossbench.execution.child")
_GRACE = 10.0
_TAIL = 4000


def call(work: str, arguments: Mapping[str, Any], *, more: Mapping[str, str] | None = None) -> Any:
    """Have a function called in a process of its own, which ends with this one.

    Args:
        work: ``module:function``.
        arguments: Its arguments by name, as JSON.
        more: Variables to add to the process's environment.

    Returns:
        What it returns, as JSON.

    Raises:
        ChildDiedError: If the process ended without a reply.
        CrossbenchError: If the function raised one; the message is the same.
    """
    request = json.dumps({"work": work, "arguments": dict(arguments)})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        interpreter.start(
            *_CHILD,
            more={"PYTHONFAULTHANDLER": "1"} | dict(more or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for this process, which tells the child
        ) as process,
    ):
        try:
            answer = _ask(process, request)
        except BaseException:
            stop(process)
            raise
        if answer is None:
            said.seek(0)
            raise ChildDiedError(process.returncode, said.read()[-_TAIL:].strip())
    if "error" in answer:
        raise CrossbenchError(answer["error"])
    return answer["reply"]


def _ask(process: subprocess.Popen[str], request: str) -> Any:
    """What the child answers; None if it ends without an answer."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a child is asked and answers through pipes")
    try:
        process.stdin.write(request + "\n")
        process.stdin.flush()  # and stays open: its end is how the child sees that of this process
    except BrokenPipeError:
        pass
    answer = process.stdout.read()
    process.wait()
    return json.loads(answer) if process.returncode == 0 and answer else None


def stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a process that still works, so that it leaves nothing half-written."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def end_with_parent(
    told: TextIO,
    hear: Callable[[str], object] = lambda _: None,
    *,
    before: Callable[[], object] = lambda: None,
) -> None:
    """End this process when the other end of a pipe is closed, as a parent's end closes it.

    Args:
        told: The pipe.
        hear: Called with each line that comes through it.
        before: Called before the process ends.
    """

    def watch() -> None:
        for line in told:
            hear(line)
        before()
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


def private_stdin() -> TextIO:
    """Standard input for this process's own use; what else reads it finds it empty."""
    mine = os.fdopen(os.dup(0), "r", encoding="utf-8")
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    return mine
