"""The strict reader: whatever a spec holds survives, and whatever else is refused by name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from crossbench.errors import CardError
from crossbench.specs import (
    ComputeSettings,
    EmbeddedSource,
    FitSettings,
    InputSettings,
    MedmnistSource,
    NpzSource,
    Preset,
    RunKey,
    SplitSettings,
    TaskCard,
)
from crossbench.specs.reader import from_mapping, to_mapping

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PAIRS = st.tuples(NUMBERS, NUMBERS)
COUNTS = st.integers(1, 1000)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
POSITIVE = st.floats(0, exclude_min=True, allow_infinity=False)
FILE_KEYS = {
    "file": st.text(),
    "remedy": st.text(),
    "axes": st.none() | st.text(),
}
SOURCES = st.one_of(
    st.builds(NpzSource, url=st.none() | st.text(), **FILE_KEYS),
    st.builds(MedmnistSource, **FILE_KEYS),
    st.builds(
        EmbeddedSource,
        images=st.text(),
        label=st.text(),
        threshold=NUMBERS,
        minimum=st.dictionaries(st.text(), NUMBERS),
        permute=st.none() | st.integers(0, 9),
        **FILE_KEYS,
    ),
)
SPECS = st.one_of(
    st.builds(
        TaskCard,
        source=SOURCES,
        classes=st.lists(st.text(), min_size=2).map(tuple),
        version=COUNTS,
        intensity=st.none() | PAIRS,
        path=st.none(),
    ),
    st.builds(
        Preset,
        split=st.builds(
            SplitSettings,
            folds=COUNTS,
            seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1).map(tuple),
            validation=SHARES,
        ),
        input=st.builds(InputSettings, crop_scale=PAIRS),
        fit=st.builds(
            FitSettings,
            epochs=COUNTS,
            lr=POSITIVE,
            weight_decay=POSITIVE,
            milestone=SHARES,
            gamma=POSITIVE,
        ),
        compute=st.builds(ComputeSettings),
    ),
    st.builds(RunKey),
)


@given(SPECS)
def test_a_spec_survives_json(spec: Any) -> None:
    text = json.dumps(to_mapping(spec))
    assert from_mapping(type(spec), json.loads(text), where="here") == spec


@given(SPECS, st.data())
def test_a_mapping_with_one_key_too_many_is_refused(spec: Any, data: st.DataObject) -> None:
    mapping = to_mapping(spec)
    key = data.draw(st.text().filter(lambda text: text not in mapping))
    with pytest.raises(CardError, match=f"^here: unknown key {re.escape(repr(key))}; "):
        from_mapping(type(spec), mapping | {key: 0}, where="here")


def test_what_is_only_written_may_have_types_that_are_not_imported() -> None:
    @dataclass(frozen=True)
    class Note:
        place: NotImported  # type: ignore[name-defined]  # noqa: F821

    assert to_mapping(Note(place=3)) == {"place": 3}


# ------------------------------------------------------------------------------ errors


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Innermost of the specs below."""

    size: int
    word: Literal["a", "b"] | None = None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A spec of every shape that the reader takes apart."""

    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = field(default_factory=dict)
    shares: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    even: Annotated[int, Meta(multiple_of=2, description="a multiple of 2")] | None = None


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"leaf": {"sise": 1}}, "[leaf]: unknown key 'sise'; did you mean size?"),
        ({"leaves": [{"size": 1}, {"sise": 1}]}, "[leaves[1]]: unknown key 'sise'; did you"),
        ({"named": {"oak": {"sise": 1}}}, "[named.oak]: unknown key 'sise'; did you mean size?"),
        ({"leaf": {}}, "required key 'leaf.size' is missing"),
        ({"named": {"elm": {"size": 1}, "oak": {}}}, "required key 'named.oak.size' is missing"),
        ({"leaf": 3}, "key 'leaf' is 3; it must be a table"),
        ({"leaf": {"size": 2.0}}, "key 'leaf.size' is 2.0; it must be a whole number"),
        ({"leaf": {"size": 1, "word": "c"}}, "key 'leaf.word' is 'c'; it must be one of 'a', 'b'"),
        ({"leaves": [{"size": True}]}, "key 'leaves[0].size' is True; it must be a whole number"),
        ({"shares": {"x": [1, None], "y": [0, "z"]}}, "key 'shares.y[1]' is 'z'; it must be a num"),
        ({"shares": {"x": [10**400]}}, "key 'shares.x[0]' is 1" + "0" * 249),
        ({"even": 3}, "key 'even' is 3; it must be a multiple of 2"),
        ({"even": "3"}, "key 'even' is '3'; it must be a whole number"),
        ({"pair": [1]}, "key 'pair' is [1]; it must be an array of 2"),
        ({"pair": [1, 2]}, "key 'pair[1]' is 2; it must be a string"),
        (
            {"x" * 500: 1},
            "unknown key '" + "x" * 100 + "'; known: even, leaf, leaves, named, pair,",
        ),
    ],
)
def test_an_error_names_key_value_and_remedy(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(CardError, match=f"^{re.escape(f'here: {message}')}"):
        from_mapping(Tree, mapping, where="here")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["leaf", "leaves", "named", "shares", "pair", "even"]), JSON)
)
def test_whatever_is_read_the_answer_is_a_spec_or_a_named_key(mapping: dict[str, Any]) -> None:
    message = ""
    try:
        tree = from_mapping(Tree, mapping, where="here")
    except CardError as error:
        message = str(error)
    else:
        assert set(to_mapping(tree)) >= set(mapping)
    assert not message or re.match(
        r"here: (\[.*\]: )?(|required |unknown )key ['\"]", message, re.DOTALL
    )
