"""Tasks whose networks are fitted on another one: which go together, and what is known of them."""

from __future__ import annotations

import dataclasses

import pytest

from crossbench.errors import RequestError
from crossbench.registry.tasks import find_run_task, find_task, registered_task
from crossbench.specs.cross import cross, task_names

TESTED, FITTED = find_task("phantom-both"), find_task("phantom-connectivity")


def test_both_cards_are_facts_of_the_task_and_of_its_identity() -> None:
    card = cross(TESTED, FITTED)
    assert (card.name, card.parts) == ("phantom-both.from.phantom-connectivity", (TESTED, FITTED))
    assert task_names(card.name) == (TESTED.name, FITTED.name)
    own = {"name": card.name, "fitted_on": FITTED.fingerprint()}
    assert card.fingerprint() == TESTED.fingerprint() | own
    assert "fitted_on" not in TESTED.fingerprint()
    assert TESTED.parts == (TESTED,)
    assert task_names(TESTED.name) == (TESTED.name,)


def test_what_must_be_known_of_either_is_said_of_both() -> None:
    stern = {"licence": "CC-BY-NC", "restrictions": "No trade.", "known_issues": ("Few.",)}
    card = cross(TESTED, dataclasses.replace(FITTED, **stern))
    assert card.licence == "phantom-both: CC0-1.0; phantom-connectivity: CC-BY-NC"
    assert card.restrictions == "phantom-connectivity: No trade."
    assert card.known_issues == ("phantom-connectivity: Few.",)
    assert card.citation == TESTED.citation
    assert card.title == f"{TESTED.title}, fitted on {FITTED.title}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": TESTED.name}, "task 'phantom-both' is fitted on samples of its own without a tr"),
        ({"kind": "image"}, "of the input kinds 'image' and 'recording', and a network takes one"),
        ({"classes": ("second", "first")}, r"\['second', 'first'\] and .* in the same order, or"),
        (
            {"cohort": "all"},
            "are of one cohort, 'all', so that what is tested may have been fitted",
        ),
    ],
)
def test_tasks_that_do_not_go_together_are_refused(changes: dict[str, str], message: str) -> None:
    tested = dataclasses.replace(TESTED, cohort="all")
    with pytest.raises(RequestError, match=message):
        cross(tested, dataclasses.replace(FITTED, **changes))


def test_the_card_is_found_by_its_name_wherever_both_tasks_are_registered() -> None:
    name = "phantom-both.from.phantom-connectivity"
    assert registered_task(name) == find_run_task(name)
    assert find_run_task(name) == find_run_task("phantom-both", "phantom-connectivity")
    assert find_run_task("phantom-both") == TESTED
    assert registered_task("phantom-both.from.of-my-own") is None
    assert registered_task("phantom-both.from.nodule-malignancy-2d") is None


@pytest.mark.parametrize(
    ("find", "message"),
    [
        (lambda: find_task("a.from.b"), "has no data of its own; name 'a' or 'b'"),
        (lambda: find_run_task("vessel", "vesel"), r"unknown task 'vesel'; did you mean vessel"),
        (lambda: find_run_task("a.from.b", "c"), "leave train task 'c' out, or name 'a'"),
        (lambda: find_run_task("vessel", "vessel"), "leave it out, or name another task"),
    ],
)
def test_names_that_stand_for_no_such_task_are_refused(find: object, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        find()  # type: ignore[operator]
