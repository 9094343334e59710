"""The groups of tasks that Table II averages over, as the task cards state them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.registry.tasks import extra_tasks, load_tasks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUPS = {
    "radiology-2d": "2D radiology",
    "volumetric": "volumetric",
    "other-2d": "other 2D",
    "other-3d": "other 3D",
}
"""Titles of the paper's groups, in its order; any other group goes by its own name."""


def task_groups() -> dict[str, str]:
    """Group by name of the task, for the registered tasks that state one."""
    cards = [*load_tasks().values(), *extra_tasks().values()]
    return {card.name: card.group_by for card in cards if card.group_by}


def by_group(tasks: Iterable[str], groups: Mapping[str, str]) -> dict[str, list[str]]:
    """Tasks by title of group: the paper's groups, others, then ungrouped ones.

    Args:
        tasks: Names, whose order is kept within each group.
        groups: Group by name of the task; the title of a task without one is empty.
    """
    places = [*GROUPS, *sorted(set(groups.values()) - set(GROUPS)), ""]
    found: dict[str, list[str]] = {place: [] for place in places}
    for task in tasks:
        found[groups.get(task, "")].append(task)
    return {GROUPS.get(place, place): names for place, names in found.items() if names}
