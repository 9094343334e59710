"""What a process does that :mod:`crossbench.execution.isolation` has started."""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

#: Exit code of a process whose parent is gone.
ORPHANED = 130

_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG

_told: Connection | None = None  # where the messages of this process go


def do(
    answering: Connection,
    saying: Connection,
    work: str | Callable[[], Any],
    arguments: str,
    variables: Mapping[str, str] | None,
) -> None:
    """Do the work and answer.

    Args:
        answering: Where the answer goes, and before it what :func:`tell` is given.
        saying: Where what the work prints goes.
        work: ``module:function``, or what to call.
        arguments: Its arguments by name, as JSON.
        variables: The environment to work in; None in a fork of the caller.
    """
    global _told  # noqa: PLW0603
    _told = answering
    _leave_terminal(saying)
    _end_with_server()
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with_parent(parent.sentinel)
    if variables is not None:
        set_variables(variables)
        tempfile.tempdir = None  # of the server, which asked for it before
    answer = json.dumps(_answer(work, json.loads(arguments)), allow_nan=False)
    answering.send_bytes(answer.encode())


def _answer(work: str | Callable[[], Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"reply": (work if callable(work) else find(work))(**arguments)}
    except CrossbenchError as error:
        return {"error": str(error)}
    except KeyboardInterrupt:
        sys.exit(ORPHANED)
    except Exception as error:  # noqa: BLE001  (whatever it was, the parent is told)
        traceback.print_exc()
        sys.stderr.flush()
        return {"raised": describe(error)}


def find(work: str) -> Callable[..., Any]:
    """The function that ``module:function`` names."""
    module, _, name = work.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _leave_terminal(saying: Connection) -> None:
    """Read nothing, print to the parent, and leave Ctrl-C to it, which passes it on."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(saying.fileno(), 1)
    os.dup2(saying.fileno(), 2)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        for number, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    faulthandler.enable()


def tell(value: Any, *, begins: bool = False) -> None:
    """Send a value, as JSON, to the process that has this work done; nothing without one.

    Args:
        value: The value.
        begins: Whether a piece of work begins, for which the limit of time counts anew.
    """
    if _told is not None:
        _told.send_bytes(json.dumps({"told": value, "begins": begins}).encode())


def _end_with_server() -> None:
    """End with the process that forked this one, even where no thread of Python's gets to run."""
    with suppress(OSError, AttributeError, TypeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def end_with_parent(sentinel: int, *, before: Callable[[], object] = lambda: None) -> None:
    """End this process when its parent ends.

    Args:
        sentinel: File descriptor that is ready to be read once the parent has ended.
        before: Called before the process ends.
    """

    def watch() -> None:
        connection.wait([sentinel])
        before()
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


def set_variables(wanted: Mapping[str, str]) -> None:
    """Make these the environment variables of this process."""
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
