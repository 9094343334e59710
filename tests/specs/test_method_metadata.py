"""Metadata of methods: strict where an author declares it, tolerant where a record tells it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import CardError
from crossbench.specs.method_metadata import MethodMetadata

WHOLE = {
    "authors": ["Ada Lovelace", "Émilie du Châtelet"],
    "paper": "On kernels, arXiv 1911.10477",
    "url": "https://example.org/kernels",
    "licence": "MIT AND (Apache-2.0 OR GPL-3.0-or-later WITH Classpath-exception-2.0)",
}


def test_whole_metadata_reads_as_it_is_declared() -> None:
    found = MethodMetadata.read(WHOLE, where="mine")
    assert found.authors == ("Ada Lovelace", "Émilie du Châtelet")
    assert (found.paper, found.url, found.licence) == tuple(WHOLE[key] for key in list(WHOLE)[1:])
    assert MethodMetadata.read({}, where="mine") == MethodMetadata()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"autors": []}, "mine: unknown key 'autors'; did you mean authors?"),
        ({"license": "MIT"}, "mine: unknown key 'license'; did you mean licence?"),
        ({"authors": "Ada"}, "mine: key 'authors' is 'Ada'; it must be an array"),
        ({"authors": [1]}, "mine: key 'authors[0]' is 1; it must be a string"),
        ({"authors": [""]}, "mine: key 'authors' is ('',); it must be up to 200 names"),
        ({"authors": ["x"] * 201}, "it must be up to 200 names"),
        ({"paper": "two\nlines"}, "it must be a line of at most 500 characters"),
        ({"paper": "x" * 501}, "it must be a line of at most 500 characters"),
        ({"url": "javascript:alert(1)"}, "it must begin with https:// or http://"),
        ({"url": "https://example.org/'onclick"}, "and hold no spaces or quotes"),
        ({"licence": "MIT licence?"}, "it must be an SPDX expression, such as 'MIT'"),
    ],
)
def test_what_is_malformed_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(CardError, match=re.escape(message)):
        MethodMetadata.read(declared, where="mine")


def test_a_record_keeps_what_has_the_right_form() -> None:
    told = WHOLE | {"authors": 3, "url": "javascript:alert(1)", "more": 1}
    found = MethodMetadata.tolerant(told)
    assert (found.authors, found.url) == ((), "")
    assert (found.paper, found.licence) == (WHOLE["paper"], WHOLE["licence"])
    assert MethodMetadata.tolerant("no table") == MethodMetadata()


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*WHOLE, "other"]), json) | json)
def test_whatever_a_record_says_is_read(told: Any) -> None:
    found = MethodMetadata.tolerant(told)
    assert all(holds for _, holds, _ in found.demands())


@pytest.mark.parametrize(
    ("paper", "url"),
    [
        ("On kernels, arXiv 1911.10477", "https://arxiv.org/abs/1911.10477"),
        ("arXiv:2411.02441v4", "https://arxiv.org/abs/2411.02441v4"),
        ("https://arxiv.org/abs/2411.02441", "https://arxiv.org/abs/2411.02441"),
        ("2411.02441", "https://arxiv.org/abs/2411.02441"),
        ("JBHI 2021, doi 10.1109/JBHI.2021.3049452.", "https://doi.org/10.1109/JBHI.2021.3049452"),
        ("https://doi.org/10.1000/a<b>", "https://doi.org/10.1000/a"),
        ("On kernels, 2021", ""),
        ("", ""),
    ],
)
def test_a_paper_is_found_by_its_number(paper: str, url: str) -> None:
    assert MethodMetadata(paper=paper).paper_url == url
