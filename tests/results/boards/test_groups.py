from __future__ import annotations

from crossbench.results.boards.groups import by_group, task_groups
from crossbench.results.boards.published import table2


def test_groups_stand_in_the_papers_order_then_others_then_none() -> None:
    groups = {"a": "nodules", "b": "other-2d", "c": "volumetric", "d": "radiology-2d", "e": "zzz"}
    assert by_group("abcdef", groups) == {
        "2D radiology": ["d"],
        "volumetric": ["c"],
        "other 2D": ["b"],
        "nodules": ["a"],
        "zzz": ["e"],
        "": ["f"],
    }


def test_tasks_keep_their_order_and_empty_groups_are_left_out() -> None:
    groups = {"x": "volumetric", "y": "volumetric", "elsewhere": "nodules"}
    assert by_group(["y", "x"], groups) == {"volumetric": ["y", "x"]}


def test_the_cards_state_the_groups_of_table_ii() -> None:
    published = table2()[["task", "group"]].drop_duplicates().itertuples(index=False)
    groups = task_groups()
    assert all(groups[task] == group for task, group in published)
