"""Learning curves, drawn: the numbers behind the marks, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from crossbench.evaluation.statistics import Estimate
from crossbench.results.boards.curves import Curves, Line, Point
from crossbench.results.figures.curves import curve_figure, curve_frame
from crossbench.results.figures.figure import Figure

SIZES = (16, 64, 200)


def line(name: str, scores: Sequence[float], *, plain: bool = False, margin: float = 0.05) -> Line:
    """A line whose last point is that of all samples; without a margin, of single runs."""
    points = [
        Point(
            limit=None if size == SIZES[-1] else size,
            labelled=float(size),
            score=Estimate(value=score, low=score - margin, high=score + margin)
            if margin
            else Estimate(value=score),
            runs=5 if margin else 1,
        )
        for size, score in zip(SIZES, scores, strict=True)
    ]
    return Line(name=name, points=tuple(points), one_draw=False, plain=plain)


def curves(*lines: Line) -> Curves:
    return Curves(
        title="title",
        task="blood",
        protocol="linear-probe",
        metric="balanced_accuracy",
        lines=lines,
    )


@pytest.fixture
def three() -> Curves:
    return curves(
        line("acs from in1k, lite0, input.min_size=64", (0.5, 0.6, 0.7)),
        line("acs from random, lite0, input.min_size=64", (0.4, 0.45, 0.5)),
        line("majority", (0.25, 0.25, 0.25), plain=True, margin=0),
    )


def encoding(figure: Figure, mark: str) -> dict[str, Any]:
    (layer,) = (each for each in figure.spec["layer"] if each["mark"]["type"] == mark)
    found: dict[str, Any] = layer["encoding"]
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_mark_for_each_point(three: Curves, valid: Any, theme: Any) -> None:
    figure = curve_figure(three, theme=theme)
    assert valid(figure)
    assert (figure.name, figure.theme) == ("labelled-blood-linear-probe", theme)
    assert figure.title == "Balanced accuracy by labelled samples"
    assert list(figure.data["score"][:3]) == [0.5, 0.6, 0.7]
    assert list(figure.data["labelled"]) == [*SIZES] * 3
    assert list(figure.data["runs"]) == [5] * 6 + [1] * 3
    assert figure.data["low"][0] == pytest.approx(0.45)
    assert figure.data["high"][0] == pytest.approx(0.55)
    assert figure.data["low"][6:].isna().all()


def test_lines_at_one_number_stand_side_by_side_in_order(three: Curves) -> None:
    frame = curve_frame(three)
    for size in SIZES:
        places = list(frame.loc[frame["labelled"] == size, "x"])
        assert places == sorted(places)
        assert places[1] == pytest.approx(size)
        assert places[2] / places[1] == pytest.approx(places[1] / places[0])
        assert places[2] / places[0] < 1.05
    alone = curve_frame(curves(line("acs from in1k", (0.5, 0.6, 0.7))))
    assert list(alone["x"]) == pytest.approx(list(SIZES))


def test_names_are_short_where_method_and_init_tell_the_lines_apart(three: Curves) -> None:
    figure = curve_figure(three)
    assert list(dict.fromkeys(figure.data["line"])) == [
        "acs from in1k",
        "acs from random",
        "majority",
    ]
    said = " ".join(figure.subtitle)
    assert "blood, linear-probe; means over runs." in said
    assert "acs: lite0, input.min_size=64" in said


def test_names_are_whole_where_settings_alone_tell_lines_apart() -> None:
    names = [f"acs from in1k, input.min_size={size}" for size in (32, 64)]
    figure = curve_figure(curves(*(line(name, (0.5, 0.6, 0.7)) for name in names)))
    assert list(dict.fromkeys(figure.data["line"])) == names
    assert "acs: input" not in " ".join(figure.subtitle)


def test_intervals_are_explained_where_there_are_some(three: Curves, valid: Any) -> None:
    words = "Bars: 95 % intervals"
    assert words in " ".join(curve_figure(three).subtitle)
    single = curve_figure(curves(line("acs from in1k", (0.5, 0.6, 0.7), margin=0)))
    assert valid(single)
    assert words not in " ".join(single.subtitle)


def test_the_axis_is_logarithmic_and_its_ticks_are_the_numbers(three: Curves) -> None:
    figure = curve_figure(three)
    x = encoding(figure, "point")["x"]
    assert x["scale"]["type"] == "log"
    assert x["axis"]["values"] == [*SIZES]
    low, high = x["scale"]["domain"]
    assert low == pytest.approx(0.85 * figure.data["x"].min())
    assert high == pytest.approx(1.15 * figure.data["x"].max())
    assert x == encoding(figure, "line")["x"] == encoding(figure, "rule")["x"]


def test_plain_baselines_follow_in_a_colour_of_their_own(three: Curves) -> None:
    figure = curve_figure(three)
    look = encoding(figure, "point")
    names = ["acs from in1k", "acs from random", "majority"]
    colours = dict(zip(names, look["color"]["scale"]["range"], strict=True))
    assert look["color"]["scale"]["domain"] == names
    assert len({*colours.values()}) == 3
    assert look["color"]["legend"]["columns"] == look["shape"]["legend"]["columns"] == 1
    assert encoding(figure, "line")["strokeDash"]["scale"]["domain"] == names


def test_the_ends_of_each_line_are_told_in_words(three: Curves) -> None:
    assert curve_figure(three).alt == (
        "Balanced accuracy on blood by number of labelled samples: "
        "acs from in1k 0.500 with 16 and 0.700 with 200; "
        "acs from random 0.400 with 16 and 0.500 with 200; "
        "majority 0.250 with 16 and 0.250 with 200."
    )
