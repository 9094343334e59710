"""``crossbench dashboard``: results in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import path
from crossbench.cli.output import say
from crossbench.errors import RequestError
from crossbench.execution.interpreter import become

if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

_APP = "crossbench_leaderboard"
_NEEDED = ("streamlit", "altair", "pyarrow")
_RESULTS = Path("results")
_EXAMPLES = ("examples", "examples_ct")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104


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
    folders = options.folders or _default_folders(app)
    command = server_words(
        app, folders, host=options.host, port=options.port, browser=not options.no_browser
    )
    # Streamlit obeys settings that it finds in its working folder, whoever has put them there.
    become("-m", "streamlit", *command, folder=app)


def server_words(
    app: Path, folders: list[Path], *, host: str, port: int | None, browser: bool
) -> list[str]:
    """Command-line words for Streamlit.

    Args:
        app: Folder of the app.
        folders: Results folders to show.
        host: Address to listen on.
        port: Port; None takes the first free one.
        browser: Whether to open a browser window.
    """
    settings = {
        "server.address": host,
        # Or a page from elsewhere, whose name was made to point here, could read the results.
        "server.allowedHosts": _names_of(host),
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
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
    flags = [f"--{name}={flag}" for name, value in settings.items() for flag in _flags(value)]
    where = [str(folder.absolute()) for folder in folders]
    return ["run", str(app / "app.py"), *flags, "--", *where]


def _names_of(host: str) -> tuple[str, ...]:
    """Host names that browsers may use; any where it listens on every address."""
    return ("*",) if host in _EVERY_ADDRESS else tuple(dict.fromkeys((host, *_THIS_MACHINE)))


def _flags(value: object) -> list[str]:
    """A setting's values as Streamlit reads them: a flag each."""
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return [str(value).lower() if isinstance(value, bool) else str(value)]


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


def _default_folders(app: Path) -> list[Path]:
    """``results``, or the examples that ship with the app where there is none."""
    examples = [folder for name in _EXAMPLES if (folder := app / name).is_dir()]
    if _RESULTS.is_dir() or not examples:
        return [_RESULTS]
    where = ", ".join(map(str, examples))
    say([f"no folder {str(_RESULTS)!r} here: showing the example results in {where}"])
    return examples
