"""Slices along their normal: several volumes in one series, doubled and missing slices."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.dicom.headers import TELLING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossbench.data.formats.dicom.headers import Slice
    from crossbench.data.formats.dicom.series import Choice

_SAME = 0.01  # mm between slices at one position
_GAP = 1.5  # times the usual distance that is more than rounding
_TURNED = 0.01  # that components of the directions of a volume's slices may differ by
_COVERED = 0.5  # of the positions that each of several volumes has a slice at


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The slices of one volume.

    Attributes:
        slices: In order along the normal; in that of their numbers where positions are unknown.
        refused: Why they are not one volume, and what chooses; empty where they are.
        notes: What was chosen.
        volumes: How many volumes the series holds.
        drift: Degrees by which positions drift off the normal, along rows and along columns.
    """

    slices: tuple[Slice, ...]
    refused: str = ""
    notes: tuple[str, ...] = ()
    volumes: int = 1
    drift: tuple[float, float] = (0.0, 0.0)


def stack(slices: Sequence[Slice], choice: Choice) -> Stack:
    """One volume of the slices of a series, or why they are none.

    Args:
        slices: Every slice, in any order.
        choice: What is made of several volumes, missing and doubled slices.
    """
    ordered = sorted(slices, key=_place)
    kept, notes = _without_copies(ordered)
    volumes, how = _volumes(kept)
    if len(volumes) > 1:
        if not choice.volume:
            why = f"holds {len(volumes)} volumes ({how}); --dicom-volume N chooses one"
            return Stack(slices=tuple(kept), refused=why, volumes=len(volumes))
        if choice.volume > len(volumes):
            why = f"holds {len(volumes)} volumes ({how}), not {choice.volume}; choose another"
            return Stack(slices=tuple(kept), refused=why, volumes=len(volumes))
        notes = (*notes, f"volume {choice.volume} of {len(volumes)} ({how})")
        kept = volumes[choice.volume - 1]
    one = _without_doubles(kept, choice, notes)
    whole = _without_holes(slices) or _without_holes(one.slices)
    one = one if one.refused else _without_gaps(one, choice, by_design=whole)
    return replace(one, volumes=len(volumes), drift=_drift(one.slices))


def _place(each: Slice) -> tuple[float, float, str]:
    number = float("inf") if each.number is None else each.number
    return (along(each), number, each.file.name)


def _drift(slices: Sequence[Slice]) -> tuple[float, float]:
    """Degrees between the normal and the line from the first slice to the last."""
    if len(slices) < 2 or not all(each.position and each.orientation for each in slices):
        return (0.0, 0.0)
    first, last = slices[0], slices[-1]
    way = [b - a for a, b in zip(first.position, last.position, strict=True)]
    height = along(last) - along(first)
    ends = first.orientation[:3], first.orientation[3:]
    sides = [abs(sum(a * b for a, b in zip(way, end, strict=True))) for end in ends]
    row, column = (math.degrees(math.atan2(side, abs(height))) for side in sides)
    return (row, column)


def along(each: Slice) -> float:
    """Position along the normal in mm; 0 where it is not known."""
    if not each.position or not each.orientation:
        return 0.0
    (a, b, c), (d, e, f) = each.orientation[:3], each.orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return sum(n * p for n, p in zip(normal, each.position, strict=True))


def _without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Each instance once: an export may hold a file twice under two names."""
    once = {each.instance or f"{each.file}": each for each in reversed(slices)}
    kept = [each for each in slices if once[each.instance or f"{each.file}"] is each]
    copies = len(slices) - len(kept)
    return kept, (f"{copies} copies of files left out",) if copies else ()


# --------------------------------------------------------------------------- several volumes


def _volumes(slices: list[Slice]) -> tuple[list[list[Slice]], str]:
    """The volumes of a series, in order of what tells them apart, and what does."""
    turns = _turns(slices)
    forms = _parts(slices, lambda each: (turns[id(each)], *map(repr, each.form)))
    if len(forms) > 1:
        return forms, "of different orientation, matrix or pixel spacing"
    positions = _positions(slices)
    most = max(map(len, positions))
    if most == 1:
        return [slices], ""
    for name, words in TELLING.items():
        parts = _parts(slices, partial(_told, name))
        if len(parts) == most and _are_volumes(parts, positions):
            return parts, f"{len(parts)} {words}"
    if all(len(each) == most for each in positions) and len(positions) > 1:
        rounds = [[each[turn] for each in positions] for turn in range(most)]
        if _follow(rounds):
            return rounds, "in the order of their numbers"
    return [slices], ""


def _parts(slices: list[Slice], key: Callable[[Slice], Any]) -> list[list[Slice]]:
    """Slices of one key each, in the order of the keys."""
    found: dict[Any, list[Slice]] = defaultdict(list)
    for each in slices:
        found[key(each)].append(each)
    return [found[value] for value in sorted(found)]


def _turns(slices: list[Slice]) -> dict[int, int]:
    """A number for each slice, the same where directions are but for rounding."""
    known: list[tuple[float, ...]] = []
    found = {}
    for each in slices:
        way = each.orientation
        same = (place for place, other in enumerate(known) if _are_near(way, other))
        place = next(same, len(known))
        known += [way] * (place == len(known))
        found[id(each)] = place
    return found


def _are_near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= _TURNED for a, b in zip(one, other, strict=True)
    )


def _told(name: str, each: Slice) -> tuple[float, str]:
    """A value that may tell volumes apart: as a number where it is one."""
    text = each.telling[name]
    try:
        return (float(text), "")
    except ValueError:
        return (float("inf"), text)


def _positions(slices: list[Slice]) -> list[list[Slice]]:
    """Slices that lie at one position, along the normal; unknown positions are all different."""
    if not all(each.position and each.orientation for each in slices):
        return [[each] for each in slices]
    found = [[slices[0]]]
    for each in slices[1:]:
        if along(each) - along(found[-1][0]) <= _SAME:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _are_volumes(parts: list[list[Slice]], positions: list[list[Slice]]) -> bool:
    """Whether no part has two slices at a position, and each has one at most of them."""
    alone = all(max(map(len, _positions(part))) == 1 for part in parts)
    return alone and all(len(part) > _COVERED * len(positions) for part in parts)


def _follow(turns: list[list[Slice]]) -> bool:
    """Whether the numbers of each volume come before those of the next."""
    spans = [[each.number for each in turn if each.number is not None] for turn in turns]
    if not all(len(span) == len(turn) for span, turn in zip(spans, turns, strict=True)):
        return False
    return all(max(a) < min(b) for a, b in pairwise(spans))


# ------------------------------------------------------------------ doubled and missing slices


def _without_doubles(slices: list[Slice], choice: Choice, notes: tuple[str, ...]) -> Stack:
    positions = _positions(slices)
    doubled = sum(len(each) > 1 for each in positions)
    if not doubled:
        return Stack(slices=tuple(slices), notes=notes)
    what = f"{doubled} of {len(positions)} positions have two or more slices"
    if not choice.doubled:
        why = f"doubled slices: {what}; --dicom-doubled takes the first of each"
        return Stack(slices=tuple(slices), refused=why, notes=notes)
    kept = tuple(each[0] for each in positions)
    return Stack(slices=kept, notes=(*notes, f"{what}, the first of each was taken"))


def _without_gaps(one: Stack, choice: Choice, *, by_design: bool) -> Stack:
    """Refuse distances of more than 1.5 times the usual one, where they are not by design."""
    slices = one.slices
    if len(slices) < 3 or not all(each.position and each.orientation for each in slices):
        return one
    steps = [along(b) - along(a) for a, b in pairwise(slices)]
    usual = median(steps)
    gaps = [step for step in steps if step > _GAP * usual and not by_design]
    if not gaps:
        uneven = max(steps) - min(steps) > max(_SAME, 0.02 * usual)
        note = f"slices lie {min(steps):.4g} to {max(steps):.4g} mm apart"
        return Stack(slices=slices, notes=(*one.notes, note) if uneven else one.notes)
    what = f"missing slices: usually {usual:.4g} mm apart, up to {max(gaps):.4g} mm"
    what = f"{what} in {len(gaps)} of {len(steps)} distances"
    if not choice.missing:
        return Stack(slices=slices, refused=f"{what}; --dicom-missing accepts it", notes=one.notes)
    return Stack(slices=slices, notes=(*one.notes, what))


def _without_holes(slices: Sequence[Slice]) -> bool:
    """Whether instance numbers follow one another without a hole, in whatever order.

    Frames of a file are numbered anew when some are taken out, and tell nothing.
    """
    numbers = {each.number for each in slices if "#" not in each.instance}
    known = [number for number in numbers if number is not None]
    if len(known) < len(slices):
        return False
    return max(known) - min(known) + 1 == len(known)
