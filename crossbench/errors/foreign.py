"""Code and values that are not ours: contained, and described in a sane length."""

from __future__ import annotations

import signal
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST = 2000  # characters of a message
_LONGEST_TRACEBACK = 20_000
_LONGEST_NAME = 100

#: What stands for the exit status of a process whose server ended, which alone would know it.
SERVER_ENDED = 255


def clean(text: str, longest: int = _LONGEST) -> str:
    """Printable, storable text: encodable, short, without control characters.

    Args:
        text: Any text.
        longest: Characters to keep; of a longer text the beginning and the end are.
    """
    if len(text) > longest:
        cut = longest // 2
        text = f"{text[:cut]} [... {len(text) - 2 * cut} characters ...] {text[-cut:]}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(_visible(sign) for sign in text)


def _visible(sign: str) -> str:
    kept = sign.isprintable() or sign in "\n\t"
    return sign if kept else sign.encode("unicode_escape").decode("ascii")


def show(value: Any, longest: int = _LONGEST) -> str:
    """``repr`` of any value, in a sane length, whatever its class makes of it."""
    try:
        return clean(repr(value), longest)
    except BaseException:  # noqa: BLE001  (a repr may do anything)
        return f"<{kind_of(value)} that has no repr>"


def kind_of(value: Any) -> str:
    """The name of a value's class."""
    return clean(type.__getattribute__(type(value), "__name__"), _LONGEST_NAME)


def describe(error: BaseException) -> str:
    """Class and message of any error, cut, such as ``ValueError: too deep``."""
    message = message_of(error)
    return f"{kind_of(error)}: {message}" if message else kind_of(error)


def message_of(error: BaseException) -> str:
    """The message of an error, cut, even where its class fails to give one."""
    try:
        return clean(str(error))
    except BaseException:  # noqa: BLE001  (a message may do anything)
        return "(its message cannot be read)"


def traceback_of(error: BaseException, frames: int = 3) -> str:
    """The last lines of an error's traceback, in a sane length."""
    try:
        return clean("".join(traceback.format_exception(error)[-frames:]), _LONGEST_TRACEBACK)
    except BaseException:  # noqa: BLE001
        return "(its traceback cannot be read)"


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Run foreign code; turn what it raises, SystemExit included, into our error.

    The user's own Ctrl-C alone passes.

    Args:
        what: What has then failed, in words.

    Raises:
        RequestError: ``what``, and what was raised where.
    """
    with _interrupts() as pressed:
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and pressed():
                raise
            raise RequestError(f"{what}: {describe(error)}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """File and line that raised an error, outside of Python's own import machinery."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    here = [frame for frame in frames if not frame.filename.startswith("<")]
    return f" ({Path(here[-1].filename).name}, line {here[-1].lineno})" if here else ""


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed since; True where that cannot be known."""
    former = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield lambda: True
        return
    if not callable(former):  # ignored, as under nohup: no Ctrl-C arrives
        yield lambda: former is None  # or handled by what is not Python's
        return
    pressed = []

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        former(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, former)


class ChildDiedError(CrossbenchError):
    """A process that gave no reply.

    Attributes:
        code: Its exit status; negative where a signal ended it.
        last_words: The end of what it printed.
        verdict: ``raised``, ``refused``, ``died``, ``out of time`` or ``out of memory``, that which
            it was given.
    """

    def __init__(
        self, code: int, last_words: str = "", *, verdict: str = "died", reason: str = ""
    ) -> None:
        super().__init__(reason or f"its process {describe_end(code)}")
        self.code = code
        self.last_words = last_words
        self.verdict = verdict

    @property
    def by_machine(self) -> bool:
        """Whether the machine has ended it, as for want of memory, or the server that forked it."""
        return self.verdict == "died" and self.code in (-signal.SIGKILL, SERVER_ENDED)


def describe_end(code: int) -> str:
    """End of a process in words.

    Args:
        code: Its exit status; negative where a signal ended it.
    """
    if code == SERVER_ENDED:
        return "ended, nobody saw how, with the process that it was forked from"
    if code >= 0:
        return f"ended with exit status {code} before its work was done"
    try:
        name, words = signal.Signals(-code).name, signal.strsignal(-code)
    except ValueError:
        name, words = f"signal {-code}", "unknown"
    told = f"was ended by {name} ({words})"
    return f"{told}, as systems do when memory runs out" if -code == signal.SIGKILL else told
