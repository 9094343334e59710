"""Save pictures of every view of the dashboard.

    python scripts/take_screenshots.py [DIR ...] OUT [--views leaderboard,compare]

Starts ``crossbench dashboard [DIR ...]`` and opens its views in a headless Chromium (Debian's
package ``chromium``), on a wide and on a narrow screen, light and dark. The pictures are whole
pages, ``OUT/<view>-<width>-<light or dark>.png``.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

from crossbench.execution import interpreter
from crossbench_leaderboard.app import VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HEIGHT = 900
_PATIENCE = 120  # seconds that a server may take to start, or a page to be drawn


def find_browser() -> str | None:
    """Path of an installed Chromium or Chrome."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def dashboard(*folders: Path) -> Iterator[str]:
    """Serve results folders as a second process, which ends with the block; yields its address.

    Raises:
        RuntimeError: If the server ends or does not answer.
    """
    port = _free_port()
    words = ["dashboard", *map(str, folders), "--no-browser", "--port", str(port)]
    with interpreter.start("-m", "crossbench", *words, stdout=subprocess.DEVNULL) as server:
        try:
            address = f"http://localhost:{port}"
            _await(server, f"{address}/_stcore/health")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """A headless browser, which ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def open_view(page: Page, address: str, view: str) -> None:
    """Go to a view and wait until it is drawn; the first view is the front page."""
    path = "" if view == next(iter(VIEWS)) else view
    page.goto(f"{address}/{path}", timeout=1000 * _PATIENCE)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script has run and nothing is a placeholder any more."""
    patience = 1000 * _PATIENCE
    page.wait_for_timeout(200)  # for a rerun to begin
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=patience
    )
    page.wait_for_function(
        "!document.querySelector('[data-testid=stSkeleton], [data-stale=true]')", timeout=patience
    )
    page.wait_for_timeout(300)  # for charts to take their width


def take(page: Page, file: Path) -> None:
    """Save the whole page, not only the part that is in view."""
    width = page.viewport_size["width"] if page.viewport_size else WIDTHS[0]
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(int(tall), _HEIGHT)})
    settle(page)
    page.screenshot(path=file)
    page.set_viewport_size({"width": width, "height": _HEIGHT})


def main() -> None:
    """Take the pictures that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "folders", type=Path, nargs="*", metavar="DIR", help="results (what the dashboard opens)"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="where the pictures go")
    parser.add_argument("--views", default=",".join(VIEWS), help="some of the views")
    options = parser.parse_args()
    views = options.views.split(",")
    if unknown := set(views) - set(VIEWS):
        parser.error(f"unknown views {', '.join(sorted(unknown))}; there are {', '.join(VIEWS)}")
    executable = find_browser()
    if executable is None:
        raise SystemExit("no browser is installed; install one with: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with dashboard(*options.folders) as address, chromium(executable) as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                page = browser.new_page(
                    viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme
                )
                for view in views:
                    open_view(page, address, view)
                    take(page, options.out / f"{view}-{width}-{scheme}.png")
                page.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


def _await(server: subprocess.Popen[str], address: str) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the dashboard ended with status {server.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310  # our own server
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the dashboard did not answer within {_PATIENCE} s")


if __name__ == "__main__":
    main()
