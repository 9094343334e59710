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
from crossbench.cli.dashboard import server_words


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that this process would have become."""
    commands: list[list[str]] = []
    monkeypatch.chdir(Path.cwd())  # restored, for the app's folder becomes the working folder
    monkeypatch.setattr(os, "execve", lambda program, command, _: commands.append(command) or 0)
    return commands


def folders_of(command: list[str]) -> list[str]:
    return command[command.index("--") + 1 :]


def test_others_cannot_connect_unless_asked_for() -> None:
    command = server_words(Path("app"), [Path("a b")], host="localhost", port=None, browser=True)
    assert command[:2] == ["run", str(Path("app", "app.py"))]
    assert "--server.address=localhost" in command
    assert "--browser.gatherUsageStats=false" in command
    assert "--server.headless=false" in command
    assert not any(part.startswith("--server.port") for part in command)
    assert {"--server.enableCORS=true", "--server.enableXsrfProtection=true"} <= set(command)
    assert [word for word in command if "allowedHosts" in word] == [
        f"--server.allowedHosts={name}" for name in ("localhost", "127.0.0.1", "::1")
    ]
    assert folders_of(command) == [str(Path("a b").absolute())]


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
    assert folders_of(command) == [str(tmp_path / "one"), str(tmp_path / "two")]


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
    assert folders_of(started[0]) == [str(tmp_path / "results")]


def test_without_results_the_examples_are_shown_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [tmp_path / "app" / name for name in ("examples", "examples_ct")]
    for folder in examples:
        folder.mkdir(parents=True)
    monkeypatch.setattr(dashboard, "_find_app", lambda: tmp_path / "app")
    main(["dashboard"])
    assert folders_of(started[0]) == [str(folder) for folder in examples]
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


def test_it_listens_to_this_machine_alone_and_ends_when_told(planted: Path) -> None:
    """Whatever modules and settings lie in the working folder."""
    (planted / ".streamlit").mkdir()
    (planted / ".streamlit" / "config.toml").write_text(
        "[server]\nenableCORS = false\nbaseUrlPath = 'elsewhere'\nallowedHosts = ['*']\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "crossbench", "dashboard", ".", "--no-browser"]
    process = subprocess.Popen([*command, f"--port={port}"], stdout=subprocess.DEVNULL)
    own, foreign = f"localhost:{port}", f"evil.example:{port}"
    try:
        assert answers(f"http://localhost:{port}/_stcore/health")
        assert opens(port, host=own, origin=f"http://{own}")
        assert not opens(port, host=own, origin=f"http://{foreign}")
        assert not opens(port, host=foreign, origin=f"http://{foreign}")
        assert not opens(port, host=foreign, origin=f"http://{own}")
        assert not (planted / "ran").exists()
    finally:
        process.terminate()
        process.wait(timeout=60)


def opens(port: int, *, host: str, origin: str) -> bool:
    """Whether a page from ``origin`` that calls the server ``host`` may talk to the app."""
    request = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: streamlit\r\n\r\n"
    )
    with socket.create_connection(("localhost", port), timeout=60) as connection:
        connection.sendall(request.encode())
        status = connection.recv(4096).decode(errors="replace").split()[1]
    assert status in {"101", "403"}
    return status == "101"


def answers(url: str) -> bool:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return bool(reply.read() == b"ok")
        except OSError:
            time.sleep(0.1)
    return False
