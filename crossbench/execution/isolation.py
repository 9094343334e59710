"""One piece of work in one process of its own, its time and memory limited, its end in words.

Named work (``module:function`` with JSON arguments) runs in a fork of a server that has imported
torch and timm, started no thread and not touched CUDA; where systems do not fork safely, in a new
interpreter. Work that needs what this process has loaded runs in a fork of this process, which
takes milliseconds. Whatever the process does, the caller gets a reply or an error with a verdict.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver, util
from time import monotonic
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import interpreter
from crossbench.execution.child import do, set_variables
from crossbench.execution.memory import memory_of_tree
from crossbench.files.scratch import make_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

#: Seconds that an interrupted process has to end by itself.
GRACE = 10.0

_ROOM = 70  # bytes of a folder's path to which a socket's name can be added; 108 in all on Linux
_PERIOD = 0.05  # seconds between looks at limits
_TAIL = 16_000  # bytes kept of what a process prints; a crash lists its extension modules
_starting = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a process may use; None does not limit.

    Attributes:
        seconds: Wall-clock time, from the start or the last piece of work that it told to begin.
        memory: Resident bytes of the process and its descendants, memory that several share
            being counted once, looked at every 50 ms; only Linux tells them.
    """

    seconds: float | None = None
    memory: int | None = None


UNLIMITED = Limits()

#: What the trial build of one network may use: some take a minute on one thread.
TRIAL = Limits(seconds=300)


def call(
    work: str,
    arguments: Mapping[str, Any],
    *,
    limits: Limits = UNLIMITED,
    hear: Callable[[Any], object] = lambda _: None,
) -> Any:
    """Call a named function in a process of its own, which ends with this one.

    Args:
        work: ``module:function``.
        arguments: Its arguments by name, as JSON.
        limits: What the process may use.
        hear: Called with each value that the work gives :func:`crossbench.execution.child.tell`.

    Returns:
        What it returns, as JSON.

    Raises:
        ChildDiedError: If there is no reply; its verdict says why.
        CrossbenchError: If the function raised one; the message is the same.
    """
    return start(work, arguments).result(limits, hear)


def ask(work: Callable[[], Any], *, limits: Limits | None = None) -> Any:
    """Call a function in a fork of this process, which leaves no trace in this one.

    The fork computes on one thread: those of this process's pools are not there.

    Args:
        work: Returns JSON; what it prints is lost.
        limits: What the process may use; :data:`TRIAL` by default.

    Raises:
        ChildDiedError: As :func:`call`.
        CrossbenchError: As :func:`call`.
    """
    return _start(multiprocessing.get_context("fork"), work, {}).result(limits or TRIAL)


def start(work: str, arguments: Mapping[str, Any]) -> Child:
    """Start what :func:`call` waits for."""
    context = multiprocessing.get_context("forkserver" if can_fork() else "spawn")
    return _start(context, work, dict(arguments))


def warm_up() -> None:
    """Have the server that forks processes import what they need, while this process goes on."""
    if can_fork():
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            ["crossbench.execution.preloaded"]
        )
        with nothing_inherited(), _short_paths():
            forkserver.ensure_running()


def can_fork() -> bool:
    """Whether this system forks processes that may compute: not Windows, nor macOS."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class Child:
    """A process at work, the first of a group that holds what it starts itself.

    Args:
        process: As multiprocessing has it.
        answers: What it is heard on.
        words: What it prints.
        scratch: Its folder of temporary files, which goes with it.
    """

    def __init__(
        self, process: Any, answers: Connection, words: Connection, scratch: Path | None
    ) -> None:
        self._process, self._answers, self._words = process, answers, words
        self._scratch = scratch
        self._answer: dict[str, Any] = {}
        self._said = b""
        self._begun = monotonic()

    def result(
        self,
        limits: Limits = UNLIMITED,
        hear: Callable[[Any], object] = lambda _: None,
        note: Callable[[bytes], object] = lambda _: None,
    ) -> Any:
        """Wait for the reply; see :func:`call`.

        Args:
            limits: What the process may use.
            hear: Called with each value that the work tells.
            note: Called with what it prints, piece by piece.
        """
        try:
            excess = self._listen(limits, hear, note)
        finally:
            self._stop()
            self._answers.close()
            self._words.close()
        if "reply" in self._answer:
            return self._answer["reply"]
        if "error" in self._answer:
            raise CrossbenchError(self._answer["error"])
        verdict, reason = excess or ("died", "")
        if "raised" in self._answer:
            verdict, reason = "raised", f"its code raised {self._answer['raised']}"
        said = self._said.decode(errors="replace").strip()
        raise ChildDiedError(self._process.exitcode, said, verdict=verdict, reason=reason)

    def interrupt(self) -> None:
        """Ask the process to end, which raises KeyboardInterrupt in it."""
        with suppress(OSError):
            os.kill(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the process, and what it has started, at once."""
        with suppress(OSError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._end_group()

    def _listen(
        self,
        limits: Limits,
        hear: Callable[[Any], object],
        note: Callable[[bytes], object],
    ) -> tuple[str, str] | None:
        """Take in what the process says until it ends or exceeds a limit; which, if it does."""
        ends: dict[Any, Callable[[], bool]] = {
            self._answers: lambda: self._take_answer(hear),
            self._words: lambda: self._take_words(note),
        }
        watched = limits != UNLIMITED
        while True:
            ready = connection.wait([*ends, self._process.sentinel], _PERIOD if watched else None)
            for end in [each for each in ready if each in ends]:
                if not ends[end]():
                    del ends[end]
            if ready == [self._process.sentinel]:  # and nothing more was said
                return None
            if excess := self._excess(limits):
                return excess

    def _take_answer(self, hear: Callable[[Any], object]) -> bool:
        try:
            message = json.loads(self._answers.recv_bytes())
        except (EOFError, OSError):
            return False
        if "told" in message:
            if message["begins"]:
                self._begun = monotonic()
            hear(message["told"])
        else:
            self._answer = message
        return True

    def _take_words(self, note: Callable[[bytes], object]) -> bool:
        chunk = os.read(self._words.fileno(), 65536)
        note(chunk)
        self._said = (self._said + chunk)[-_TAIL:]
        return bool(chunk)

    def _excess(self, limits: Limits) -> tuple[str, str] | None:
        if limits.seconds is not None and monotonic() - self._begun > limits.seconds:
            return "out of time", f"out of time after {limits.seconds:g} s"
        if limits.memory is None:
            return None
        held = memory_of_tree(self._process.pid, above=limits.memory)
        if held > limits.memory:
            sizes = f"{held / 2**20:,.0f} MiB, and the limit is {limits.memory / 2**20:,.0f} MiB"
            return "out of memory", f"out of memory: its process held {sizes}"
        return None

    def _stop(self) -> None:
        """End a process that still works so that it leaves nothing half-written."""
        try:
            if self._process.is_alive():
                self.interrupt()
                self._process.join(GRACE)
        finally:  # a second Ctrl-C waits no longer
            if self._process.is_alive():
                self.kill()
            self._process.join()
            self._end_group()
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_group(self) -> None:
        """End what the process has started and left running."""
        if hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _start(context: Any, work: str | Callable[[], Any], arguments: dict[str, Any]) -> Child:
    if context.get_start_method() == "forkserver":
        warm_up()
    (answers, answering), (words, saying) = context.Pipe(False), context.Pipe(False)
    named = not callable(work)
    scratch = make_scratch() if named else None
    variables = dict(os.environ) | {"TMPDIR": str(scratch)} if named else None
    asked = json.dumps(arguments, allow_nan=False)
    process = context.Process(target=do, args=(answering, saying, work, asked, variables))
    with nothing_inherited() if named else nullcontext(), warnings.catch_warnings():
        # Python 3.12 warns of other threads: those of ours hold no lock that the work takes
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    answering.close()
    saying.close()
    return Child(process, answers, words, scratch)


@contextmanager
def _short_paths() -> Iterator[None]:
    """Have multiprocessing keep its sockets in ``/tmp`` where ``TMPDIR`` is too long for them."""
    kept = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > _ROOM:
        tempfile.tempdir = "/tmp"  # noqa: S108  (multiprocessing makes a private folder in it)
    try:
        util.get_temp_dir()  # which is made once
        yield
    finally:
        tempfile.tempdir = kept


@contextmanager
def nothing_inherited() -> Iterator[None]:
    """Have processes that libraries start run no code of the working folder, nor main.

    Multiprocessing would hand down an import path with that folder in it, and run this program's
    main module again in each of them.
    """
    safe = interpreter.environment()
    with _starting:
        variables, path, main = dict(os.environ), sys.path[:], sys.modules["__main__"]
        try:
            set_variables(safe)
            sys.path[:] = interpreter.safe_path()
            sys.modules["__main__"] = ModuleType("__main__")
            yield
        finally:
            sys.modules["__main__"] = main
            sys.path[:] = path
            set_variables(variables)
