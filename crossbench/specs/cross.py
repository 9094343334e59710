"""Tasks whose networks are fitted on the samples of another task."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError
from crossbench.specs.cards import TaskCard

if TYPE_CHECKING:
    from collections.abc import Sequence

# Between the names of the task that is tested and of the other one; no name of a task has a dot.
_FROM = ".from."


@dataclass(frozen=True, kw_only=True)
class CrossCard(TaskCard):
    """The card of the tested task, with what is to be known of both, and that of the other one.

    Attributes:
        tested: The task whose samples are tested.
        fitted: The task whose samples fit networks, and select their epochs.
    """

    tested: TaskCard
    fitted: TaskCard

    @property
    def parts(self) -> tuple[TaskCard, ...]:
        """The task that is tested, then the one that networks are fitted on."""
        return self.tested, self.fitted

    @property
    def embedded(self) -> bool:
        """Whether the data of both ships with their cards."""
        return self.tested.embedded and self.fitted.embedded

    def fingerprint(self) -> dict[str, Any]:
        """The facts that reach the numbers, of both tasks."""
        return super().fingerprint() | {"fitted_on": self.fitted.fingerprint()}


def cross(tested: TaskCard, fitted: TaskCard) -> CrossCard:
    """A task that is tested as it is, by networks that are fitted on another one.

    Raises:
        RequestError: If the other one is the task itself or of the same cohort, or has other
            classes or samples of another kind.
    """
    pair = f"train task {fitted.name!r} and task {tested.name!r}"
    if fitted.name == tested.name:
        msg = f"task {tested.name!r} is fitted on samples of its own without a train task"
        raise RequestError(f"{msg}; leave it out, or name another task")
    if fitted.kind != tested.kind:
        msg = f"{pair} are of the input kinds {fitted.kind!r} and {tested.kind!r}"
        raise RequestError(f"{msg}, and a network takes one; name a task of {tested.kind}s")
    if fitted.classes != tested.classes:
        msg = f"{pair} have the classes {list(fitted.classes)} and {list(tested.classes)}"
        raise RequestError(
            f"{msg}; name a task of the same classes in the same order, or write a card of "
            "your own for either data file, where the words alone differ"
        )
    if tested.cohort is not None and fitted.cohort == tested.cohort:
        msg = f"{pair} are of one cohort, {tested.cohort!r}, so that what is tested may have been"
        raise RequestError(f"{msg} fitted; name a task of others")
    facts = {field.name: getattr(tested, field.name) for field in fields(TaskCard)}
    cards = tested, fitted
    facts |= {key: _of_both(key, cards) for key in ("licence", "restrictions", "citation")}
    facts |= {
        "name": f"{tested.name}{_FROM}{fitted.name}",
        "title": f"{tested.title}, fitted on {fitted.title}",
        "known_issues": tuple(f"{card.name}: {x}" for card in cards for x in card.known_issues),
    }
    return CrossCard(**facts, tested=tested, fitted=fitted)


def _of_both(key: str, cards: Sequence[TaskCard]) -> str | None:
    """What cards say under a key, each by name where they differ."""
    found = {card.name: getattr(card, key) for card in cards}
    said = [f"{name}: {text}" for name, text in found.items() if text]
    equal = len(set(found.values())) == 1
    return found[cards[0].name] if equal else "; ".join(said)


def task_names(name: str) -> tuple[str, ...]:
    """The tasks that a task's name is made of: its own, or that tested and that fitted on."""
    return tuple(name.split(_FROM, 1))
