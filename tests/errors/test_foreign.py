"""Foreign code is contained, and described in a sane length."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crossbench.errors import RequestError
from crossbench.errors.foreign import (
    clean,
    contained,
    describe,
    kind_of,
    message_of,
    show,
    traceback_of,
)


class Awkward(Exception):  # noqa: N818
    """An error whose every text raises."""

    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__


class Own(KeyboardInterrupt):
    """An interrupt of a plugin's own."""


def test_errors_are_described_by_class_and_message() -> None:
    assert describe(ValueError("too deep")) == "ValueError: too deep"
    assert describe(NotImplementedError()) == "NotImplementedError"
    assert describe(Awkward()) == "Awkward: (its message cannot be read)"
    assert show(Awkward()) == "<Awkward that has no repr>"
    assert "Awkward" in traceback_of(Awkward())


def test_what_is_long_is_cut() -> None:
    text = message_of(ValueError("a" * 100_000_000 + "end"))
    assert len(text) < 3000
    assert text.startswith("aaa")
    assert text.endswith("aaaend")
    assert "[... 99998003 characters ...]" in text
    assert len(kind_of(type("B" * 10_000, (), {})())) < 200
    assert len(traceback_of(ValueError("a" * 100_000_000))) < 30_000


def test_what_cannot_be_printed_is_escaped() -> None:
    assert clean("\ud800 \x1b[31m\0 é\n\t") == r"\ud800 \x1b[31m\x00 é" + "\n\t"
    assert describe(ValueError("\udcff")) == r"ValueError: \udcff"


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(0), GeneratorExit(), Own(), KeyboardInterrupt(), Awkward()],
)
def test_whatever_is_raised_is_contained(error: BaseException) -> None:
    message = rf"^the plugin fails: {type(error).__name__}.* \(test_foreign\.py, line \d+\)$"
    with pytest.raises(RequestError, match=message), contained("the plugin fails"):
        raise error


@pytest.fixture
def handler() -> Iterator[Any]:
    """Python's own handler, whatever a shell that ran the tests in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_the_users_own_interrupt_passes(handler: Any) -> None:

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 5)  # the handler runs by then

    with pytest.raises(KeyboardInterrupt), contained("the plugin fails"):
        press()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_that_foreign_code_sets_is_taken_back() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with contained("the plugin fails"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_cannot_tell_whose_interrupt_it_is() -> None:
    caught: list[Any] = []

    def work() -> None:
        with pytest.raises(KeyboardInterrupt) as found, contained("the plugin fails"):
            raise KeyboardInterrupt
        caught.append(found.value)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert type(caught[0]) is KeyboardInterrupt
