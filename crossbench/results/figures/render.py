"""Figures as pictures with their titles, by vl-convert: without a network.

The same figure has the same bytes as SVG and PNG.
"""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from crossbench.errors import RequestError, unknown_name
from crossbench.files.hashing import hash_json
from crossbench.results.figures.marks import PAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.figures.figure import Figure

Form: TypeAlias = Literal["svg", "png", "pdf"]
FORMS = ("svg", "png", "pdf")
WIDTH = 640

_POINTS = 2  # a pixel of a PNG
_TITLE_LETTER, _SUBTITLE_LETTER = 9.75, 7.2  # pixels, on average
_LANGUAGE = "6.4"  # of Vega-Lite; vl-convert brings several


def render(figure: Figure, form: Form, *, width: int = WIDTH) -> bytes:
    """A figure as a picture on its theme's background, as wide as so many pixels.

    Raises:
        RequestError: If vl-convert is not installed, or there is no such format.
    """
    if form not in FORMS:
        raise unknown_name("format of a figure", form, FORMS)
    try:
        import vl_convert
    except ImportError as error:
        remedy = "pip install 'crossbench[figures]'"
        raise RequestError(f"pictures of figures need vl-convert; {remedy}") from error
    spec = printed(figure, width)
    svg = vl_convert.vegalite_to_svg(spec, vl_version=_LANGUAGE, allowed_base_urls=[])
    svg = _own_names(svg, hash_json(spec)[:8])
    if form == "svg":
        return svg.encode("utf-8")
    if form == "pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    return bytes(vl_convert.svg_to_png(svg, scale=_POINTS))


def printed(figure: Figure, width: int = WIDTH) -> dict[str, Any]:
    """The figure's Vega-Lite for paper: of a fixed width, on a background."""
    config = figure.spec["config"] | {"background": PAGES[figure.theme].paper}
    title = _heading(figure.title, figure.subtitle, width)
    return figure.spec | {"title": title, "width": width, "config": config, "padding": 12}


def _heading(title: str, subtitle: Sequence[str], width: int) -> dict[str, list[str]]:
    """Title and subtitle as Vega-Lite has them, in lines that fit so many pixels."""
    wide = int(width / _SUBTITLE_LETTER)
    return {
        "text": wrap(title, int(width / _TITLE_LETTER)),
        "subtitle": [line for sentence in subtitle for line in wrap(sentence, wide)],
    }


def _own_names(svg: str, prefix: str) -> str:
    """The picture with names of its own for its gradients and clips.

    Vega numbers them over all pictures of a process; in one page they would be mixed up.
    """
    names = dict.fromkeys(re.findall(r' id="([^"]+)"', svg))
    new = {name: f"{prefix}-{place}" for place, name in enumerate(names)}
    return re.sub(
        r'( id="|url\(#)([^")]+)',
        lambda found: found[1] + new.get(found[2], found[2]),
        svg,
    )
