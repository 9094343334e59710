from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from crossbench.hosting.site.markup import (
    Html,
    element,
    facts,
    list_table,
    named,
    outside,
    paragraphs,
    text,
)


@given(st.text())
def test_no_text_becomes_markup(words: str) -> None:
    shown = str(element("p", words, title=words))
    inner = shown.removeprefix("<p ").removesuffix("</p>")
    assert inner.count("<") == 0
    assert inner.count(">") == 1
    assert inner.count('"') == 2


def test_markup_is_escaped_once() -> None:
    assert element("p", element("b", "<&>")) == "<p><b>&lt;&amp;&gt;</b></p>"
    assert text(Html("<br>")) == "<br>"


def test_signs_that_act_unseen_are_replaced() -> None:
    assert text("a\x1b\u202eb\n\tc") == "a\ufffd\ufffdb\n\tc"


def test_attributes_have_the_names_of_html() -> None:
    assert element("img", class_="a", aria_label="b", alt=None) == '<img class="a" aria-label="b">'


def test_only_addresses_of_the_web_are_links() -> None:
    assert outside("<x>", "javascript:alert(1)") == "&lt;x&gt;"
    assert outside("x", "https://a.org/?b&c").startswith('<a href="https://a.org/?b&amp;c" rel=')
    assert named("a", {"a": "a.html"}) == '<a href="a.html">a</a>'
    assert named("<b>", {"a": "a.html"}) == "&lt;b&gt;"


def test_empty_parts_are_left_out() -> None:
    assert facts({"Paper": "", "Licence": "MIT"}) == "<dl><dt>Licence</dt><dd>MIT</dd></dl>"
    assert paragraphs("one\n\n\n\ntwo") == "<p>one</p>\n<p>two</p>"


def test_the_first_cell_of_a_row_names_it() -> None:
    shown = list_table("T", ("name", "value"), [("a", 1)])
    assert "<tr><th>a</th><td>1</td></tr>" in shown
