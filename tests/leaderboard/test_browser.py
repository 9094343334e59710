"""The dashboard in a real browser, on a wide and on a narrow screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import take_screenshots as script
from made_attributions import attribute_phantom

from crossbench.evaluation.metrics import title_of
from crossbench.results.records.diagnostics import Diagnostics
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.writing import write_run

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = script.find_browser()
    if executable is None:
        reason = "no Chromium or Chrome is installed (apt-get install chromium)"
        if os.environ.get("CROSSBENCH_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason}, and CROSSBENCH_REQUIRE_BROWSER asks for one")
        pytest.skip(reason)
    with script.chromium(executable) as browser:
        yield browser


@pytest.fixture(scope="module")
def address(
    results_folder: Path,
    diagnostics_of: Callable[[str], Diagnostics],
    tmp_path_factory: pytest.TempPathFactory,
    browser: Any,
) -> Iterator[str]:
    """The dashboard over the common results, the diagnostics of one run, and attributions."""
    own = tmp_path_factory.mktemp("browser")
    shutil.copytree(results_folder, own / "results")
    path = min((own / "results/standard/nodule-malignancy-2d/crossd").glob("*.json"))
    record = read_record(path)
    diagnostics = diagnostics_of(record.identity)
    write_run(path, record, read_predictions(path), diagnostics=diagnostics)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSBENCH_CACHE", str(own / "cache"))
        attribute_phantom(own / "results")
        with script.dashboard(own / "results") as address:
            yield address


@pytest.fixture(scope="module")
def opened(browser: Any, address: str) -> Any:
    """The front page on a wide screen, and what was complained of on its console so far."""
    page = browser.new_page(viewport=WIDE)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.extend(_foreign(request.url, address)))
    script.open_view(page, address, next(iter(script.VIEWS)))
    return page, complaints


def _foreign(url: str, address: str) -> list[str]:
    """The dashboard asks nobody else for anything."""
    ours = (address, address.replace("http", "ws"), "data:", "blob:")
    return [] if url.startswith(ours) else [f"asked for {url}"]


def assert_well(page: Any) -> None:
    """No exception is shown, and nothing reaches beyond the screen."""
    assert page.locator("[data-testid=stException]").all_inner_texts() == []
    assert page.get_by_text("This cannot be shown").count() == 0
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main}.scrollWidth - {main}.clientWidth") <= 0
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("view", script.VIEWS)
def test_a_view_opens_and_its_choices_work(view: str, opened: Any) -> None:
    page, complaints = opened
    page.set_viewport_size(WIDE)
    page.get_by_role("link", name=script.VIEWS[view], exact=True).click()
    script.settle(page)
    assert_well(page)
    page.set_viewport_size(NARROW)
    script.settle(page)
    assert_well(page)
    for summary in page.locator("[data-testid=stExpander] summary").all():
        summary.click()
    choices = page.locator("[data-testid=stSelectbox] input, [data-testid=stMultiSelect] input")
    for place in range(choices.count()):
        if place >= choices.count():  # a choice took another one away
            break
        if choices.nth(place).is_visible():
            choices.nth(place).click()
            for key in ("ArrowDown", "Enter", "Escape"):
                page.keyboard.press(key)
            script.settle(page)
            assert_well(page)
    assert complaints == []


def test_the_first_view_has_an_address_of_its_own(browser: Any, address: str) -> None:
    page = browser.new_page(viewport=WIDE)
    for path in ("", next(iter(script.VIEWS))):
        page.goto(f"{address}/{path}")
        script.settle(page)
        assert page.get_by_role("heading", name="Leaderboard", exact=True).count() == 1
        assert page.get_by_text("Page not found").count() == 0
    assert page.get_by_role("link", name="Leaderboard", exact=True).count() == 1
    page.close()


def test_what_is_chosen_goes_along_and_its_address_restores_it(browser: Any, address: str) -> None:
    page = browser.new_page(viewport=WIDE)
    page.goto(f"{address}/?{urlencode({'metric': 'log_loss', 'dimension': '3'})}")
    script.settle(page)
    for view in ("tasks", "compare", "leaderboard"):
        page.get_by_role("link", name=script.VIEWS[view], exact=True).click()
        page.wait_for_url("**metric=log_loss**")
        script.settle(page)
        assert page.get_by_text("was chosen after the fact").count() == 1
    page.get_by_role("link", name="About acs", exact=True).click()
    page.wait_for_url("**/method?*method=acs*")
    script.settle(page)
    link = page.url
    page.close()
    again = browser.new_page(viewport=WIDE)
    again.goto(link)
    script.settle(again)
    assert again.get_by_role("heading", name="acs", exact=True).count() == 1
    assert again.get_by_role("combobox", name="Metric").input_value() == title_of("log_loss")
    again.close()


def test_a_figure_is_downloaded_as_picture_and_as_numbers(browser: Any, address: str) -> None:
    page = browser.new_page(viewport=WIDE)
    script.open_view(page, address, "leaderboard")
    page.locator("[data-testid=stPopover] button", has_text="Download").first.click()
    found = {}
    for label in ("SVG", "CSV"):
        with page.expect_download() as saved:
            page.get_by_role("button", name=label, exact=True).first.click()
        found[saved.value.suggested_filename] = saved.value.path().read_text()
    page.close()
    assert list(found) == ["crossbench-standings.svg", "crossbench-standings.csv"]
    assert found["crossbench-standings.svg"].startswith("<svg")
    assert found["crossbench-standings.csv"].startswith("name,plain,rank")
