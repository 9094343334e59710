"""Claims: every item is done by one process, and none is lost with a process that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbench.errors import RequestError
from crossbench.execution.claims import CLAIMS, Claims

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from crossbench.execution.claims import Claims
for items in Claims(Path(sys.argv[1])).each([sys.argv[2:]], str):
    print(*items, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has claimed ``a1`` and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), "a1"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "a1\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@given(groups=st.lists(st.lists(st.integers(), max_size=3, unique=True), max_size=4))
@settings(max_examples=20)
def test_alone_everything_comes_group_by_group(
    groups: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    claims = Claims(tmp_path_factory.mktemp("claims"))
    assert list(claims.each(groups, str)) == [group for group in groups if group]


def test_what_another_has_claimed_of_a_group_comes_last(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    taken = Claims(tmp_path).each([["a1", "a2"], ["b1"], ["c1", "c2"]], str)
    assert [next(taken) for _ in range(3)] == [["a2"], ["b1"], ["c1", "c2"]]
    holder.send_signal(signal.SIGKILL)
    assert list(taken) == [["a1"]]


def test_the_file_of_a_killed_claim_goes_once_nobody_holds_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    claims = Claims(tmp_path)
    claims.forget(["a1"])
    holder.kill()
    holder.wait()
    claims.forget(["b1"])
    assert len(list((tmp_path / CLAIMS).iterdir())) == 1
    claims.forget(["a1"])
    assert list((tmp_path / CLAIMS).iterdir()) == []


def test_what_another_has_claimed_is_waited_for(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    found: list[list[str]] = []
    waiting = threading.Thread(target=lambda: found.extend(Claims(tmp_path).each([["a1"]], str)))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    assert found == []
    holder.kill()
    waiting.join(60)
    assert found == [["a1"]]


def test_who_waits_ends_where_the_claims_are_closed(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    claims = Claims(tmp_path)
    found: list[list[str]] = []
    waiting = threading.Thread(target=lambda: found.extend(claims.each([["a1"], ["b1"]], str)))
    waiting.start()
    claims.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert ["a1"] not in found
    assert holder.poll() is None


def test_what_another_has_claimed_is_left_to_it_where_asked(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holder.poll() is None
    assert list(Claims(tmp_path).each([["a1", "a2"], ["b1"]], str, wait=False)) == [["a2"], ["b1"]]


@pytest.mark.parametrize("hours", [-24 * 365, 24 * 365])
def test_clocks_decide_nothing(tmp_path: Path, holder: subprocess.Popen[str], hours: int) -> None:
    """A claim that another clock dates long ago, or in the future, is held all the same."""
    (file,) = (tmp_path / ".claims").iterdir()
    os.utime(file, (stamp := file.stat().st_mtime + 3600 * hours, stamp))
    assert list(Claims(tmp_path).each([["a1"], ["b1"]], str, wait=False)) == [["b1"]]
    holder.kill()
    holder.wait()
    os.utime(file, (stamp, stamp))
    assert list(Claims(tmp_path).each([["a1"]], str, wait=False)) == [["a1"]]


def test_a_claim_ends_with_its_use_and_leaves_no_file(tmp_path: Path) -> None:
    taken = Claims(tmp_path).each([["a1"], ["a2", "a3"]], str)
    assert next(taken) == ["a1"]
    (held,) = (tmp_path / ".claims").iterdir()
    assert next(taken) == ["a2", "a3"]
    assert not held.exists()
    assert len(list((tmp_path / ".claims").iterdir())) == 2
    taken.close()  # type: ignore[attr-defined]
    assert not any((tmp_path / ".claims").iterdir())


def test_processes_that_share_do_everything_once(tmp_path: Path) -> None:
    groups = [[f"{name}{number}" for number in range(5)] for name in "abc"]
    done: list[str] = []

    def work() -> None:
        for items in Claims(tmp_path).each(groups, str):
            done.extend(item for item in items if item not in done)

    team = [threading.Thread(target=work) for _ in range(4)]
    for each in team:
        each.start()
    for each in team:
        each.join(60)
    assert sorted(done) == [item for group in groups for item in group]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RequestError, match=r"results folder '.*file' cannot be written"):
        next(Claims(file).each([["a"]], str))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EACCES"])
def test_without_locks_everything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As the system call says it; some systems say EACCES, which elsewhere means taken."""

    def refuse(*_: object) -> None:
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(fcntl, "flock", refuse)
    claims = Claims(tmp_path)
    assert not claims.shared
    with pytest.warns(
        UserWarning, match=r"has no locks, so processes cannot share .* one at a"
    ) as w:
        assert list(claims.each([["a1", "a2"], ["b1"]], str)) == [["a1", "a2"], ["b1"]]
    assert len(w) == 1
    assert list((tmp_path / ".claims").iterdir()) == []


def test_other_errors_of_the_folder_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RequestError, match=r"results folder .* cannot be written: .*output error"):
        next(Claims(tmp_path).each([["a1"]], str))
