"""HTML by construction: text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VOID = frozenset({"img", "source", "meta", "br"})


class Html(str):
    """Markup; every other string is text."""

    __slots__ = ()


def text(value: object) -> Html:
    """Text as markup: escaped, with a replacement for each sign that acts on a page unseen.

    Line breaks and tabs stay. Markup is left as it is.
    """
    if isinstance(value, Html):
        return value
    signs = (sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in str(value))
    return Html(escape("".join(signs)))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """An element with children and attributes, both escaped.

    Attributes that are None are left out; ``class_`` is written ``class``, and ``_`` within a name
    ``-``.
    """
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    opening = "".join(f' {key}="{text(value)}"' for key, value in named if value is not None)
    if name in _VOID:
        return Html(f"<{name}{opening}>")
    return Html(f"<{name}{opening}>{joined(children)}</{name}>")


def joined(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other; those that are None or empty are left out."""
    return Html(between.join(text(part) for part in parts if part not in (None, "")))


def link(label: object, address: str) -> Html:
    """A link within the site."""
    return element("a", label, href=address)


def named(name: str, links: Mapping[str, str]) -> Html:
    """A name, as a link where it has an address."""
    return link(name, links[name]) if name in links else text(name)


def outside(label: object, address: str) -> Html:
    """A link to the web, where the address is one of the web; otherwise the mere label."""
    if not address.startswith(("https://", "http://")):
        return text(label)
    return element("a", label, href=address, rel="nofollow noopener noreferrer")


def paragraphs(words: str) -> Html:
    """Paragraphs of a text in which empty lines part them."""
    return joined((element("p", part) for part in words.split("\n\n") if part.strip()), "\n")


def facts(pairs: Mapping[str, object]) -> Html:
    """Facts by name, those that are empty left out."""
    rows = (
        joined([element("dt", name), element("dd", value)])
        for name, value in pairs.items()
        if value not in (None, "")
    )
    return element("dl", joined(rows, "\n"))


def code(words: str, *, wrapped: bool = False) -> Html:
    """Text in lines as they are, such as a source file; a command's long lines may be wrapped."""
    return element("pre", element("code", words), tabindex=0, class_="wrapped" if wrapped else None)


def list_table(title: str, heads: Iterable[object], rows: Iterable[Iterable[object]]) -> Html:
    """A table of words, in a frame that scrolls where it is wider than the page."""
    head = element("tr", *(element("th", each, scope="col") for each in heads))
    body = (
        element(
            "tr",
            *(element("td" if place else "th", each) for place, each in enumerate(row)),
        )
        for row in rows
    )
    table = element("table", element("thead", head), element("tbody", *body), class_="list")
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=title)
