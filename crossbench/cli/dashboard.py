"""``crossbench dashboard``: results in a browser."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import path
from crossbench.cli.output import say
from crossbench.errors import RequestError

if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

_APP = "crossbench_leaderboard"
_NEEDED = ("streamlit", "altair", "pyarrow")
_RESULTS = Path("results")


def add(commands: Any) -> None:
    """Add the command's parser."""
    dashboard = commands.add_parser(
        "dashboard",
        help="show results in a browser",
        description="Show results in a browser. Reads only, and only this machine can connect.",
    )
    dashboard.set_defaults(command=_dashboard)
    dashboard.add_argument(
        "folders",
        type=path,
        nargs="*",
        metavar="DIR",
        help="results folders (results, or the examples)",
    )
    dashboard.add_argument("--port", type=int, metavar="N", help="port (the first free from 8501)")
    dashboard.add_argument(
        "--host",
        default="localhost",
        metavar="ADDRESS",
        help="address to listen on; any other than localhost lets others connect (localhost)",
    )
    dashboard.add_argument("--no-browser", action="store_true", help="open no browser window")


def _dashboard(options: argparse.Namespace) -> NoReturn:
    app = _find_app()
    for folder in options.folders:
        if not folder.is_dir():
            msg = f"no results folder {str(folder)!r}; correct it, or leave it out for the examples"
            raise RequestError(msg)
    folders = options.folders or [_default_folder(app)]
    command = start_command(
        app, folders, host=options.host, port=options.port, browser=not options.no_browser
    )
    sys.stdout.flush()
    sys.stderr.flush()
    # One process, so that what ends this one ends the server.
    os.execv(sys.executable, command)  # noqa: S606  # our own interpreter, no shell


def start_command(
    app: Path, folders: list[Path], *, host: str, port: int | None, browser: bool
) -> list[str]:
    """The command line that starts the server.

    Args:
        app: Folder of the app.
        folders: Results folders to show.
        host: Address to listen on.
        port: Port; None takes the first free one.
        browser: Whether to open a browser window.
    """
    settings = {
        "server.address": host,
        "server.headless": not browser,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 256,  # MiB, what the view Check takes
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "theme.light.primaryColor": "#0072B2",
        "theme.dark.primaryColor": "#56B4E9",
    }
    if port is not None:
        settings["server.port"] = port
    flags = [f"--{name}={_flag(value)}" for name, value in settings.items()]
    where = [str(folder) for folder in folders]
    run = [sys.executable, "-m", "streamlit", "run", str(app / "app.py")]
    return [*run, *flags, "--", *where]


def _flag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find_app() -> Path:
    """The app's folder, found without importing it."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        msg = f"the dashboard needs {names}; install with: pip install 'crossbench[dashboard]'"
        raise RequestError(msg)
    spec = find_spec(_APP)
    if spec is None or spec.origin is None:
        raise RequestError(f"package {_APP} is not installed; install crossbench again")
    return Path(spec.origin).parent


def _default_folder(app: Path) -> Path:
    """``results``, or the examples that ship with the app where there is none."""
    examples = app / "examples"
    if _RESULTS.is_dir() or not examples.is_dir():
        return _RESULTS
    say([f"no folder {str(_RESULTS)!r} here: showing the example results in {examples}"])
    return examples
