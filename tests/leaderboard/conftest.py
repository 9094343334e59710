"""Real records, written by a real store, with numbers that look like results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scored_runs import MARKUP, make_run, write_results
from streamlit.testing.v1 import AppTest

from crossbench.results.records.diagnostics import Diagnostics
from crossbench.results.records.store import Predictions
from crossbench.specs import RunRecord
from crossbench_leaderboard.app import find_view
from crossbench_leaderboard.state import Results, load


@pytest.fixture(scope="session", autouse=True)
def _own_cache_of_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For pages that are opened once for several tests, before any one test begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


def make_diagnostics(identity: str, samples: int = 8) -> Diagnostics:
    """Of a stem, a 3x3 layer and a 1x1 layer."""
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        return random.normal(scale=0.1, size=shape).astype(np.float32)

    def layer(size: int) -> dict[str, Any]:
        measured = {"angle": numbers(samples), "shift": 1 + numbers(samples, 3)}
        if size == 1:
            return measured
        kernels = {
            "kernel_middle": numbers(2, size, size),
            "kernel_unturned": numbers(2, size, size),
            "kernel_shifted": numbers(3, 2, size, size),
        }
        return measured | kernels

    return Diagnostics(
        identity=identity,
        index=np.arange(samples),
        drawn=np.array([0, 3, 7]),
        layers={"conv1": layer(7), "layer1.0.conv1": layer(3), "layer2.0.downsample": layer(1)},
    )


@pytest.fixture(scope="session")
def results_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of four methods and the majority class: read it, and write nothing there."""
    root = tmp_path_factory.mktemp("dashboard") / "results"
    write_results(root)
    return root


@pytest.fixture
def results(results_folder: Path) -> Results:
    return load((results_folder,))


@pytest.fixture(scope="session")
def diagnostics_of() -> Callable[[str], Diagnostics]:
    return make_diagnostics


@pytest.fixture
def run_of() -> Callable[..., tuple[RunRecord, Predictions]]:
    return make_run


def _page(name: str, folders: list[str]) -> None:
    """What AppTest runs as a script: one view over the results in these folders."""
    from pathlib import Path

    from crossbench_leaderboard.app import find_view
    from crossbench_leaderboard.state import load

    find_view(name)(load(tuple(Path(folder) for folder in folders)))


@pytest.fixture(scope="session")
def open_view(results_folder: Path) -> Callable[..., AppTest]:
    """Open a view by name, over the common results or over the folders given."""

    def open_view(name: str, *folders: Path) -> AppTest:
        find_view(name)
        where = [str(folder) for folder in folders or (results_folder,)]
        page = AppTest.from_function(
            _page, kwargs={"name": name, "folders": where}, default_timeout=60
        )
        page.run()
        assert not page.exception, page.exception[0].value
        return page

    return open_view


@pytest.fixture(scope="session")
def words() -> Callable[[AppTest], str]:
    """Every word of a page that is not in a table or a chart."""

    def words(page: AppTest) -> str:
        kinds = ("title", "header", "subheader", "markdown", "caption", "text", "code", "warning")
        return "\n".join(str(each.value) for kind in kinds for each in getattr(page, kind))

    return words


@pytest.fixture(scope="session")
def markup() -> str:
    return MARKUP
