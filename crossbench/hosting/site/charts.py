"""Pictures of figures: light and dark, for wide pages and narrow ones, as files of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.hosting.site.markup import Html, element
from crossbench.results.figures.render import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

FOLDER = "charts"

# Pixels of a picture, and up to which width of the page it is shown.
_WIDTHS = {"narrow": 360, "wide": 680}
_NARROW_PAGE = "(max-width: 40rem)"
_DARK = "(prefers-color-scheme: dark)"


class Charts:
    """Where the pictures of a site are written.

    Args:
        site: The site's folder; None draws nothing.
    """

    def __init__(self, site: Path | None) -> None:
        self._folder = site and site / FOLDER

    def show(self, draw: Callable[..., Figure], name: str, *, root: str = "") -> Html:
        """Write a figure's four pictures; the element that shows the one that suits the reader.

        Args:
            draw: Makes the figure for a ``theme``.
            name: What the files are called, of which each figure has its own.
            root: The way from the page's folder to the site's.
        """
        if self._folder is None:
            return Html("")
        themes: tuple[Theme, ...] = ("light", "dark")
        figures = {theme: draw(theme=theme) for theme in themes}
        places = {}
        for theme, figure in figures.items():
            for width, pixels in _WIDTHS.items():
                file = self._folder / f"{name}-{theme}-{width}.svg"
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(render(figure, "svg", width=pixels))
                places[theme, width] = f"{root}{FOLDER}/{file.name}"
        return element("figure", _picture(places, figures["light"].alt))


def _picture(places: dict[tuple[Theme, str], str], alt: str) -> Html:
    return element(
        "picture",
        element("source", srcset=places["dark", "narrow"], media=f"{_DARK} and {_NARROW_PAGE}"),
        element("source", srcset=places["dark", "wide"], media=_DARK),
        element("source", srcset=places["light", "narrow"], media=_NARROW_PAGE),
        element("img", src=places["light", "wide"], alt=alt),
    )
