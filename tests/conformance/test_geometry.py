"""Geometries, and those that are simpler."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossbench.conformance.geometry import Geometry

small = st.integers(1, 3)
geometries = st.builds(
    Geometry,
    kernel=st.sampled_from([1, 3, 5]),
    stride=small,
    padding=st.integers(0, 3),
    dilation=small,
    groups=small,
    inputs=small,
    outputs=small,
    bias=st.booleans(),
    sides=st.tuples(small, small, small),
).filter(lambda each: each.exists)


@given(geometries)
def test_what_is_simpler_exists_and_the_search_ends(geometry: Geometry) -> None:
    for simpler in geometry.simpler():
        assert simpler.exists
        assert simpler != geometry
        assert simpler.size < geometry.size or sum(simpler.sides) < sum(geometry.sides)
    assert list(Geometry().simpler()) == []


def test_a_geometry_is_written_as_code() -> None:
    geometry = Geometry(kernel=3, stride=2, padding=1, inputs=4, outputs=8, groups=2)
    assert geometry.conv(2) == "Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False)"
    assert Geometry(bias=True).conv(3) == "Conv3d(1, 1, 1)"
    assert Geometry(kernel=5, dilation=2).reach == 9
    assert not Geometry(kernel=3).exists
    assert not Geometry(inputs=3, groups=2).exists
