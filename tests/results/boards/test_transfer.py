"""What pretraining is worth, from hand-made records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.transfer import transfers
from crossbench.results.boards.transfer_tables import transfer_tables
from crossbench.results.report.render import render

FOLDS = range(5)
NOISE = (0.00, 0.02, -0.01, 0.01, -0.02)


def runs(
    make: Callable[..., Any],
    method: str,
    init: str,
    score: float,
    *,
    protocol: str = "finetune",
    wobble: float = 1.0,
) -> list[Any]:
    """Five folds of a cell, its scores about ``score``."""
    return [
        make(method, fold=fold, score=score + wobble * NOISE[fold], init=init, protocol=protocol)
        for fold in FOLDS
    ]


@pytest.fixture
def helped(record: Callable[..., Any], frame: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Pretraining helps crossd under both protocols, and does nothing for acs."""
    made = []
    for protocol, low in (("finetune", 0.6), ("weak-probe", 0.5)):
        made += runs(record, "crossd", "random", low, protocol=protocol)
        made += runs(record, "crossd", "nodules", low + 0.2, protocol=protocol, wobble=-0.5)
        made += runs(record, "acs", "random", low, protocol=protocol)
        made += runs(record, "acs", "nodules", low, protocol=protocol, wobble=0.5)
    made += [record("majority", fold=fold, score=0.5) for fold in FOLDS]
    return frame(*made)


def test_the_gain_of_each_method_under_each_protocol(helped: pd.DataFrame) -> None:
    (found,) = transfers(split_boards(helped))
    assert found.missing == ()
    gains = {(gain.protocol, gain.method): gain for gain in found.gains}
    assert set(gains) == {(p, m) for p in ("finetune", "weak-probe") for m in ("acs", "crossd")}
    probe = gains["weak-probe", "crossd"]
    assert (probe.random, probe.pretrained) == (pytest.approx(0.5), pytest.approx(0.7))
    assert probe.over_random.result.gain.value == pytest.approx(0.2)
    assert probe.over_scratch.result.gain.value == pytest.approx(0.1)
    assert probe.over_random.p_holm < 0.05
    assert gains["finetune", "acs"].over_random.p_holm > 0.5


def test_the_test_is_the_corrected_t_of_the_paired_runs(helped: pd.DataFrame) -> None:
    (found,) = transfers(split_boards(helped))
    (gain,) = (
        gain for gain in found.gains if (gain.protocol, gain.method) == ("finetune", "crossd")
    )
    paired = pd.Series([0.2 - 1.5 * noise for noise in NOISE])
    t = paired.mean() / (paired.std() * (1 / 5 + 1 / 4) ** 0.5)
    assert gain.over_random.result.statistic == pytest.approx(t)
    assert gain.over_random.result.p_value == pytest.approx(2 * stats.t.sf(t, 4))


def test_which_method_gains_more(helped: pd.DataFrame) -> None:
    (found,) = transfers(split_boards(helped))
    (finetune, probe) = found.contrasts
    assert (finetune.method, finetune.other, finetune.protocol) == ("crossd", "acs", "finetune")
    assert finetune.more.result.gain.value == pytest.approx(0.2)
    assert probe.protocol == "weak-probe"


def test_what_cannot_be_compared_is_said(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    made = runs(record, "crossd", "random", 0.5, protocol="weak-probe")[:4]
    made += runs(record, "crossd", "nodules", 0.6, protocol="weak-probe", wobble=0.5)
    (found,) = transfers(split_boards(frame(*made)))
    (gain,) = found.gains
    assert gain.over_random is None
    assert gain.over_scratch is None
    (reason,) = found.missing
    assert reason.startswith(
        "weak-probe crossd: from random weights under weak-probe on blood has no"
    )
    shown = render(transfer_tables(split_boards(frame(*made))), "table")
    assert "Not compared: weak-probe crossd" in shown
    assert "over scratch" not in shown  # nothing was trained from scratch


def test_several_kinds_of_runs_from_random_weights_are_said_to_be_several(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    made = runs(record, "crossd", "random", 0.5, protocol="weak-probe")
    made += runs(record, "crossd", "nodules", 0.6, protocol="weak-probe", wobble=0.5)
    for epochs in (3, 5):
        for fold in FOLDS:
            fit = {"fit": {"epochs": epochs}}
            made.append(record("crossd", fold=fold, protocol="finetune", settings=fit))
    (found,) = transfers(split_boards(frame(*made)))
    assert found.gains[0].random == pytest.approx(0.5)
    (said,) = found.missing
    assert said.endswith("from random weights under finetune are of 2 kinds, by their settings")


def test_one_init_says_nothing_of_pretraining(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    assert transfers(split_boards(frame(*runs(record, "crossd", "random", 0.5)))) == []
    assert transfers(split_boards(frame(*runs(record, "crossd", "nodules", 0.5)))) == []


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json"])
def test_the_tables_come_in_every_form(helped: pd.DataFrame, form: str) -> None:
    tables = transfer_tables(split_boards(helped))
    assert len(tables) == 2
    text = render(tables, form)
    assert "crossd" in text
    assert "0.2" in text


def test_the_tables_mark_what_is_significant(
    helped: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # a row a line, whatever the terminal
    gains, contrasts = transfer_tables(split_boards(helped))
    marked = [row.text for row, cells in zip(gains.rows, gains.cells, strict=True) if cells[2].mark]
    assert marked == ["finetune crossd", "weak-probe crossd"]
    for form, sign in (("table", "*"), ("markdown", r"\*"), ("latex", "{*}"), ("csv", ",*,")):
        lines = [each for each in render([gains], form).splitlines() if "finetune crossd" in each]
        assert any(sign in each for each in lines), form
        lines = [each for each in render([gains], form).splitlines() if "finetune acs" in each]
        assert not any(sign in each for each in lines), form
    assert contrasts.rows[0].text == "finetune crossd – acs"


def test_one_draw_of_random_weights_shows_nothing_of_a_method(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    probe = {"protocol": "linear-probe"}
    made = [
        record(
            "acs", fold=fold, score=0.6 + 0.1 * (init != "random") + wobble * NOISE[fold], **where
        )
        for init, wobble, hashes in (("random", 1.0, {}), ("nodules", -0.1, {"init": "recipe"}))
        for fold in FOLDS
        for where in [{"init": init, **probe, "hashes": hashes | {"weights": f"{fold}"}}]
    ]
    for run in made:
        if run.key.init == "random":
            del run.provenance["hashes"]["weights"]
    (found,) = transfers(split_boards(frame(*made)))
    test = found.gains[0].over_random
    assert test is not None
    assert (test.weights, test.p_holm < 0.05, test.shown) == ("one draw", True, False)
    (table,) = transfer_tables(split_boards(frame(*made)))
    assert table.cells[0][2].mark == ""
    said = "From one draw of random weights, which shows nothing of a method: linear-probe acs."
    assert said in table.notes


def test_runs_from_one_checkpoint_speak_of_these_weights(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    made = runs(record, "acs", "random", 0.5)
    made += [
        record(
            "acs",
            fold=fold,
            score=0.7 - NOISE[fold],
            init="in1k",
            protocol="finetune",
            hashes={"init": "a"},
        )
        for fold in FOLDS
    ]
    (table, *_) = transfer_tables(split_boards(frame(*made)))
    assert "Holds for the weights that the runs share: finetune acs." in table.notes
    assert table.cells[0][2].mark == "*"


def test_the_least_gain_that_could_be_shown_is_said(helped: pd.DataFrame) -> None:
    (found,) = transfers(split_boards(helped))
    least = {
        f"{gain.protocol} {gain.method}": gain.over_random.result.detectable(family=4)
        for gain in found.gains
    }
    (note,) = (
        note
        for note in transfer_tables(split_boards(helped))[0].notes
        if note.startswith("gain: found")
    )
    low, high = min(least, key=least.get), max(least, key=least.get)
    assert note == (
        f"gain: found with 80 % power from {least[low]:.2f} ({low}) to {least[high]:.2f} ({high}) "
        "on, at the spread seen (Holm's first step)."
    )


def test_gains_in_the_metric_that_is_asked_for(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    made = [
        record("acs", fold=fold, init=init, metric=main, metrics={"accuracy": score, "f1": 0.5})
        for init, main, score in (("random", "f1", 0.6), ("nodules", "accuracy", 0.8))
        for fold in FOLDS
    ]
    (found,) = transfers(split_boards(frame(*made)), "accuracy")
    assert found.metric == "accuracy"
    assert found.gains[0].pretrained == pytest.approx(0.8)
    assert found.gains[0].random == pytest.approx(0.6)


def test_a_gain_in_a_loss_is_positive_where_pretraining_is_better(
    record: Callable[..., Any], frame: Callable[..., pd.DataFrame]
) -> None:
    made = [
        record("acs", fold=fold, init=init, metrics={"log_loss": loss + wobble * NOISE[fold]})
        for init, loss, wobble in (("random", 0.8, 1), ("nodules", 0.6, -0.5))
        for fold in FOLDS
    ]
    (table,) = transfer_tables(split_boards(frame(*made)), "log_loss")
    assert table.cells[0][2].value == pytest.approx(0.2)
    assert table.notes[0].endswith("; the sign is turned, for lower is better.")
