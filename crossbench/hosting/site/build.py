"""The whole site: written beside the old one, which it replaces when it is whole."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import RequestError
from crossbench.hosting.folder import SETTINGS
from crossbench.hosting.site.charts import Charts
from crossbench.hosting.site.content import (
    board_address,
    bundle_address,
    method_address,
    read_content,
    task_address,
)
from crossbench.hosting.site.front import board_body, front_body
from crossbench.hosting.site.method import method_body
from crossbench.hosting.site.page import page
from crossbench.hosting.site.task import task_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.hosting.folder import HostedBoard
    from crossbench.hosting.site.content import Content
    from crossbench.hosting.site.markup import Html

#: Marks a folder as a site of this program, which alone it replaces.
MARK = ".crossbench-site"


def build_site(hosted: HostedBoard, site: Path, *, with_charts: bool = True) -> int:
    """Write a board's site; the same board gives the same bytes.

    Args:
        hosted: The board.
        site: Where the site goes; one that is there is replaced as a whole.
        with_charts: Whether pictures are drawn, which needs ``crossbench[figures]``.

    Returns:
        Number of pages.

    Raises:
        RequestError: If the folder holds something else than a site, or pictures cannot be drawn.
        CrossbenchError: If a bundle or record is damaged; the old site stays then.
    """
    _check_replaceable(site, hosted.folder)
    if with_charts:
        _check_can_draw()
    content = read_content(hosted)
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{site.name}-", dir=site.parent) as folder:
        draft = Path(folder) / "new"
        draft.mkdir()
        draft.chmod(0o755)
        pages = _write(content, draft, with_charts=with_charts)
        _exchange(draft, site, Path(folder) / "old")
    return pages


def _write(content: Content, site: Path, *, with_charts: bool) -> int:
    (site / MARK).touch()
    count, board, made_by = 0, content.hosted.settings.title, version("crossbench")
    for address, title, body in _pages(content, Charts(site if with_charts else None)):
        file = site / address
        file.parent.mkdir(exist_ok=True)
        root = "../" * address.count("/")
        html = page(title, body, board=board, root=root, version=made_by)
        file.write_text(html, encoding="utf-8")
        count += 1
    for submission in content.hosted.submissions:
        target = site / bundle_address(submission)
        target.parent.mkdir(exist_ok=True)
        submission.check()
        shutil.copyfile(submission.bundle, target)
    return count


def _pages(content: Content, charts: Charts) -> Iterator[tuple[str, str, Html]]:
    """Address, title and body of every page."""
    yield "index.html", content.hosted.settings.title, front_body(content, charts)
    for board in content.boards:
        yield board_address(board), board.heading, board_body(content, board, charts)
    for method in content.methods:
        yield method_address(method), method, method_body(content, method, charts)
    for task in content.tasks:
        yield task_address(task), task, task_body(content, task)


def _check_replaceable(site: Path, board: Path) -> None:
    if site.resolve() == board.resolve() or (site / SETTINGS).exists():
        raise RequestError(f"--out {str(site)!r} is the board itself; name a folder of its own")
    if site.exists() and not (site / MARK).exists() and (site.is_file() or any(site.iterdir())):
        msg = f"--out {str(site)!r} holds something else than a site of a board"
        raise RequestError(f"{msg}; name another folder, or empty it")


def _check_can_draw() -> None:
    if find_spec("vl_convert") is None:
        remedy = "pip install 'crossbench[figures]', or --no-charts for a site of tables"
        raise RequestError(f"the site's charts need vl-convert; {remedy}")


def _exchange(new: Path, site: Path, old: Path) -> None:
    """Put the new site into the old one's place; the old one comes back if that fails."""
    if site.exists():
        site.rename(old)
    try:
        new.rename(site)
    except OSError:
        with contextlib.suppress(OSError):
            old.rename(site)
        raise
