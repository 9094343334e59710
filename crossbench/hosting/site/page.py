"""The frame of every page: head, style and navigation."""

from __future__ import annotations

from crossbench.hosting.site.markup import Html, element, joined, link, text
from crossbench.results.report.html import STYLE

_OWN = """
h1 { margin: 1.25rem 0 .25rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
a { color: var(--link); }
:root { --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab8ef; } }
header { border-bottom: 1px solid var(--line); padding-bottom: .6rem; }
header nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
header a { white-space: nowrap; }
header a:first-child { white-space: normal; font-weight: 600; color: inherit;
  text-decoration: none; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .6rem; }
.lead { font-size: 1.05rem; max-width: 46rem; }
.counts { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 0; padding: 0; }
.counts li { list-style: none; }
.counts b { display: block; font-size: 1.6rem; line-height: 1.2; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
  gap: 1rem 2rem; align-items: start; }
figure { margin: .75rem 0 0; }
figure img { display: block; width: 100%; height: auto; max-width: 46rem; background: none; }
figcaption { font-size: .875rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: .5rem; } }
pre { overflow-x: auto; background: var(--band); padding: .6rem .75rem; font-size: .85rem;
  line-height: 1.45; margin: .5rem 0; }
.wrapped { white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin-top: .75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.list th:first-child { position: static; }
.fail, .removed { color: var(--warn); font-weight: 600; }
.superseded, .skip { color: var(--soft); }
"""

# Nothing is run and nothing is loaded from elsewhere, whatever a bundle holds.
_POLICY = "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'"


def page(title: str, body: Html, *, board: str, root: str = "", version: str = "") -> str:
    """A whole page.

    Args:
        title: Its heading.
        body: What follows the heading.
        board: The board's title.
        root: The way from the page's folder to the site's: ``../`` or nothing.
        version: Version of crossbench that makes the site.
    """
    front = f"{root}index.html"
    navigation = [
        link(board, front),
        link("Standings", f"{front}#standings"),
        link("Methods", f"{front}#methods"),
        link("Tasks", f"{front}#tasks"),
        link("Submissions", f"{front}#submissions"),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title if title == board else f"{title} · {board}"),
        element("style", Html(STYLE + _OWN)),
    ]
    made = f"Made by crossbench {version}; every figure is computed from the bundles' records."
    parts = [
        element("header", element("nav", *navigation, aria_label="Pages")),
        element("main", element("h1", title), body),
        element("footer", element("p", made, class_="soft")),
    ]
    document = element(
        "html",
        element("head", joined(head, "\n")),
        element("body", joined(parts, "\n")),
        lang="en",
    )
    return text(Html(f"<!DOCTYPE html>\n{document}\n"))
