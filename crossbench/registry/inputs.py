"""Registered input kinds by name, before their code is imported."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.errors import RequestError, unknown_name
from crossbench.registry.entries import (
    INPUT_GROUP,
    Point,
    declarations,
    owners,
    points,
    while_installed,
)
from crossbench.specs.cards import are_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.specs import TaskCard
    from crossbench.specs.reader import Demand


@dataclass(frozen=True, kw_only=True)
class InputEntry:
    """A registered input kind: what a card can be checked against without running its code.

    Attributes:
        point: Its entry point and the package that registers it.
        fault: What keeps it from being loaded, with the remedy; empty when all is well.
        dims: Spatial axes of a sample; 0 where its source does not say.
        axes: A letter for each of them, in canonical order.
        channels: Numbers of channels that a stored sample may have.
        sized: Whether samples of any size are fed at the card's ``input_size``.
        made_of: Kind whose samples a file may hold instead; empty for none.
        tasks: Its tasks in words; empty where they are called by their axes.
    """

    point: Point
    fault: str
    dims: int = 0
    axes: str = ""
    channels: tuple[int, ...] = ()
    sized: bool = False
    made_of: str = ""
    tasks: str = ""

    def demands(self, card: TaskCard) -> Iterator[Demand]:
        """Demands on a card of this kind."""
        lengths = f"it must be {self.dims} positive lengths, for kind is {card.kind!r}"
        yield "shape", are_sizes(card.shape, self.dims), lengths
        known = " or ".join(map(str, self.channels))
        fits = card.channels is None or card.channels in self.channels
        yield "channels", fits, f"samples of kind {card.kind!r} have {known}"
        side = "it must be a positive side length, of a kind that is not fed as stored"
        fed = card.input_size
        yield "input_size", fed is None or (fed >= 1 and self.sized), side
        which = card.source.slice
        reducible = f"samples of kind {card.kind!r} are slices of nothing; leave it out"
        yield "source.slice", which is None or bool(self.made_of), reducible
        orders = [self.axes] if which is None else []
        if self.made_of and (card.embedded or which is not None):
            orders.append(find_input_entry(self.made_of).axes)
        axes = card.source.axes
        letters = f"it must be the letters of {' or of '.join(orders)} in their stored order"
        yield "source.axes", axes is None or sorted(axes) in map(sorted, orders), letters


@while_installed
def input_entries() -> dict[str, InputEntry]:
    """The registered input kinds by name, found without importing them."""
    found: dict[str, list[Point]] = defaultdict(list)
    for point in points(INPUT_GROUP):
        found[point.entry.name].append(point)
    return {name: _entry(name, claims) for name, claims in found.items()}


def find_input_entry(name: str) -> InputEntry:
    """The entry of an input kind.

    Raises:
        RequestError: If no kind has this name, or its registration is at fault.
    """
    entries = input_entries()
    if not entries:
        msg = "no input kind is registered; install crossbench again (pip install -e . for a clone)"
        raise RequestError(msg)
    if name not in entries:
        raise unknown_name("input kind", name, entries)
    if entries[name].fault:
        raise RequestError(f"input kind {name!r} {entries[name].fault}")
    return entries[name]


def tasks_in_words(kind: str, dimension: int) -> str:
    """Tasks of an input kind in words, such as ``2D tasks``, whether or not it is registered."""
    entry = input_entries().get(kind)
    return (entry.tasks if entry else "") or f"{dimension}D tasks"


def _entry(name: str, claims: list[Point]) -> InputEntry:
    point = claims[0]
    if len(claims) > 1:
        fault = f"is registered by {owners(claims)}; uninstall one of them"
        return InputEntry(point=point, fault=fault)
    if point.fault:
        fault = f"of {point.distribution}: {point.fault}; reinstall {point.distribution}"
        return InputEntry(point=point, fault=fault)
    stated = declarations(point.entry.module, point.entry.attr)
    known = ("dims", "axes", "channels", "sized", "made_of", "tasks")
    fields = {key: stated[key] for key in known if key in stated}
    lacking = [key for key in ("dims", "axes", "channels") if key not in fields]
    if lacking or stated.get("name") != name:
        msg = f"its source must declare name = {name!r} and dims, axes and channels as literals"
        return InputEntry(point=point, fault=f"of {point.distribution}: {msg}")
    return InputEntry(point=point, fault="", **fields)
