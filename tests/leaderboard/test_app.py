from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import crossbench_leaderboard
from crossbench.results.records.store import Store
from crossbench_leaderboard.app import VIEWS, _where
from crossbench_leaderboard.choices import AS_DECLARED
from crossbench_leaderboard.state import EXAMPLE_FOLDERS, EXAMPLES, Results, out_folder, plain

APP = Path(crossbench_leaderboard.__file__).parent / "app.py"

IMPORTED = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
from crossbench_leaderboard.app import VIEWS, find_view

app, folder = sys.argv[1:]
sys.argv[1:] = [folder]
page = AppTest.from_file(app).run(timeout=120)
assert not page.exception, page.exception
assert page.title[0].value == "Leaderboard"
print([name for name in ("altair", "scipy.stats") if name in sys.modules])
for name in VIEWS:
    find_view(name)
print([name for name in ("torch", "torchvision", "timm") if name in sys.modules])
"""


def open_app(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> AppTest:
    monkeypatch.setattr(sys, "argv", [str(APP), *map(str, folders)])
    page = AppTest.from_file(APP, default_timeout=60).run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    """The line about what is shown."""
    return str(page.caption[0].value).replace("\\", "")


@cache
def imported(folder: Path) -> list[str]:
    """What a fresh process has imported of the heavy, after the first view and after all."""
    command = [sys.executable, "-c", IMPORTED, str(APP), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_dashboard_never_imports_torch(results_folder: Path) -> None:
    assert imported(results_folder)[-1] == "[]"


def test_the_first_view_is_drawn_without_what_takes_long_to_import(results_folder: Path) -> None:
    """Though p values are corrected in it."""
    assert imported(results_folder)[-2] == "[]"


def test_every_view_is_a_module() -> None:
    found = {path.stem for path in (APP.parent / "views").glob("*.py")} - {"__init__"}
    registered = {"attribution", "operator"}  # by the package of their methods
    assert found == set(VIEWS) - registered


def test_the_frame_says_what_is_read_and_reads_anew_when_asked(
    tmp_path: Path, run_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "results"
    page = open_app(monkeypatch, root)
    assert page.title[0].value == "No results yet"
    assert f"crossbench run --preset smoke --task nodule-malignancy-2d --out {root}" in (
        page.code[0].value
    )
    assert f"no folder {root} yet" in said(page)
    Store(root).write(*run_of("acs", "blood"))
    (root / "half.json").write_text("{")
    assert page.run().title[0].value == "No results yet"  # nothing is read unasked
    page.button[0].click().run()
    assert not page.exception
    assert page.title[0].value == "Leaderboard"
    assert said(page).startswith(f"1 records in {root} · broken files: 1, see Runs")


def test_examples_are_named_as_such_and_never_written_to(
    monkeypatch: pytest.MonkeyPatch, results_folder: Path
) -> None:
    shipped = "the examples that ship with crossbench: not your own results"
    page = open_app(monkeypatch, EXAMPLE_FOLDERS[1])
    assert not page.exception
    assert shipped in said(page)
    board = page.selectbox(key="leaderboard-board")
    assert board.value.startswith("3D tasks, weights in1k, linear probe")  # of CT, all labelled
    assert "all labelled" in board.value
    drawn = [json.loads(each.proto.spec)["description"] for each in page.get("vega_lite_chart")]
    assert "on nodule-malignancy-ct-3d by number of labelled samples" in drawn[-1]
    assert "examples" not in said(open_app(monkeypatch, results_folder))
    shown = Results(folders=EXAMPLE_FOLDERS, frame=pd.DataFrame(), broken=())
    assert _where(shown) == shipped
    assert out_folder(shown) == Path("results")
    assert out_folder(replace(shown, folders=(EXAMPLES, results_folder))) == results_folder


@pytest.mark.parametrize("text", ["<b>*x*</b>", ":red[$y$]", "a_b_c", "[x](y)", "`code`", "# h"])
def test_markdown_shows_plain_text_as_it_is(text: str) -> None:
    escaped = plain(text)
    assert escaped.replace("\\", "") == text
    assert all(escaped[at - 1] == "\\" for at, sign in enumerate(escaped) if sign in "<*:$[_`#")


# ------------------------------------------------------------------ what an address asks


def test_an_address_restores_a_view_and_other_queries_stay(
    monkeypatch: pytest.MonkeyPatch, results_folder: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(APP), str(results_folder)])
    page = AppTest.from_file(APP, default_timeout=60)
    page.query_params["metric"] = "log_loss"
    page.query_params["dimension"] = "3"
    page.query_params["embed"] = "true"
    page.run()
    assert not page.exception
    assert page.selectbox(key="leaderboard-metric").value == "log_loss"
    assert page.button_group(key="leaderboard-dimension").value == [3]
    assert "--metric log_loss" in "".join(each.value for each in page.code)
    page.selectbox(key="leaderboard-metric").set_value("auroc").run()
    assert page.query_params["metric"] == "auroc"
    assert page.query_params["embed"] == "true"
    page.selectbox(key="leaderboard-metric").set_value(AS_DECLARED).run()
    assert "metric" not in page.query_params
    assert "--metric" not in "".join(each.value for each in page.code)


def test_an_unknown_metric_in_the_address_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, results_folder: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(APP), str(results_folder)])
    page = AppTest.from_file(APP, default_timeout=60)
    page.query_params["metric"] = "nope"
    page.run()
    assert not page.exception
    assert page.selectbox(key="leaderboard-metric").value == AS_DECLARED
