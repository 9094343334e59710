from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from crossbench.cli import dashboard, main
from crossbench.cli.dashboard import start_command


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that this process would have become."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: commands.append(command) or 0)
    return commands


def folders_of(command: list[str]) -> list[str]:
    return command[command.index("--") + 1 :]


def test_others_cannot_connect_unless_asked_for() -> None:
    command = start_command(Path("app"), [Path("a b")], host="localhost", port=None, browser=True)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert "--server.address=localhost" in command
    assert "--browser.gatherUsageStats=false" in command
    assert "--server.headless=false" in command
    assert not any(part.startswith("--server.port") for part in command)
    assert folders_of(command) == ["a b"]


def test_host_port_and_browser_are_passed_on(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    main(["dashboard", "one", "two", "--host", "0.0.0.0", "--port", "9000", "--no-browser"])
    (command,) = started
    assert {"--server.address=0.0.0.0", "--server.port=9000", "--server.headless=true"} <= set(
        command
    )
    assert folders_of(command) == ["one", "two"]


def test_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, started: list[list[str]], capsys: Any
) -> None:
    assert main(["dashboard", str(tmp_path), str(tmp_path / "nope")]) == 2
    message = f"no results folder '{tmp_path / 'nope'}'; correct it, or leave it out"
    assert message in capsys.readouterr().err
    assert started == []


def test_without_a_folder_results_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    main(["dashboard"])
    assert folders_of(started[0]) == ["results"]


def test_without_results_the_examples_are_shown_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app" / "examples").mkdir(parents=True)
    monkeypatch.setattr(dashboard, "_find_app", lambda: tmp_path / "app")
    main(["dashboard"])
    assert folders_of(started[0]) == [str(tmp_path / "app" / "examples")]
    assert "no folder 'results' here: showing the example results" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, started: Any
) -> None:
    def find(name: str) -> Any:
        return None if name == "streamlit" else importlib.util.find_spec(name)

    monkeypatch.setattr(dashboard, "find_spec", find)
    assert main(["dashboard"]) == 2
    assert started == []
    assert (
        "the dashboard needs streamlit; install with: pip install 'crossbench[dashboard]'"
        in capsys.readouterr().err
    )


def test_it_starts_listens_on_this_machine_and_ends_when_told(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "crossbench", "dashboard", str(tmp_path), "--no-browser"]
    process = subprocess.Popen([*command, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        assert answers(f"http://localhost:{port}/_stcore/health")
    finally:
        process.terminate()
        process.wait(timeout=60)


def answers(url: str) -> bool:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return bool(reply.read() == b"ok")
        except OSError:
            time.sleep(0.1)
    return False
