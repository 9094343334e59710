from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.results.figures import marks


@given(share=st.floats(0, 1), theme=st.sampled_from(sorted(marks.PAGES)))
def test_words_on_every_shade_are_legible(share: float, theme: marks.Theme) -> None:
    shade = marks.shade(theme, share)
    lights = sorted(marks.luminance(each) for each in (shade, marks.ink_on(shade)))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


@given(first=st.floats(0, 1), second=st.floats(0, 1), theme=st.sampled_from(sorted(marks.PAGES)))
def test_shades_are_read_by_lightness_alone(
    first: float, second: float, theme: marks.Theme
) -> None:
    less, more = (marks.luminance(marks.shade(theme, each)) for each in sorted((first, second)))
    assert more <= less if theme == "light" else more >= less


def test_luminance_is_that_of_the_standard() -> None:
    assert marks.luminance("#FFFFFF") == pytest.approx(1)
    assert marks.luminance("#000000") == 0
    assert marks.luminance("#808080") == pytest.approx(0.2158605)


@pytest.mark.parametrize("theme", sorted(marks.PAGES))
def test_words_of_a_theme_are_legible_on_its_page(theme: marks.Theme) -> None:
    page = marks.PAGES[theme]
    for colour in (page.ink, page.soft):
        lights = sorted(map(marks.luminance, (colour, page.paper)))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def test_names_have_the_same_colour_whatever_else_is_shown() -> None:
    scale = marks.colours(["a", "b"], ["majority"])
    assert scale["domain"] == ["a", "b", "majority"]
    assert scale["range"][-1] == marks.GREY
    assert marks.GREY not in scale["range"][:-1]


def test_long_names_are_whole_on_lines_that_end_at_one_height() -> None:
    axis = marks.whole_names(["short", "a-very-long-name-of-a-task"], across=True)
    assert '["", "short"]' in axis["labelExpr"]
    assert axis["labelLimit"] == 0


def test_colour_and_shape_together_are_a_names_own() -> None:
    names = [f"line {place}" for place in range(30)]
    looks = zip(
        marks.colours(names, ["plain"])["range"], marks.shapes(names)["range"], strict=False
    )
    assert len(set(looks)) == len(names)
    strokes = marks.dashes(names[:7], ["plain"])["range"]
    assert strokes == [[1, 0]] * 6 + [[6, 4], [1, 0]]
