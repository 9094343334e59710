"""Tables of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.hosting.site.markup import Html
from crossbench.results.report.html import section
from crossbench.results.report.render import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.results.boards.table import Table


def shown(table: Table, anchor: str, links: Mapping[str, str]) -> Html:
    """A table with its heading and notes as a section."""
    return Html(section(printable(table), anchor, links))
