"""Terms that a user has accepted, once for all tasks and times."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crossbench.errors import DataError, RequestError, unknown_name
from crossbench.files.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin


def accepted(root: DataRoot) -> dict[str, str]:
    """Names of accepted terms, each with the time of its acceptance.

    Raises:
        DataError: If the file that keeps them is damaged.
    """
    try:
        kept = json.loads(root.accepted.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{root.accepted}: no JSON ({error}); delete it, accept again") from error
    if not isinstance(kept, dict):
        raise DataError(f"{root.accepted}: no mapping; delete it, and accept again")
    return kept


def accept(root: DataRoot, names: Iterable[str], cards: Iterable[TaskCard]) -> None:
    """Note that terms are accepted.

    Raises:
        RequestError: If no origin of these tasks has terms of such a name.
    """
    known = {origin.accept for card in cards for origin in card.origins if origin.accept}
    kept, now = accepted(root), datetime.now(UTC).isoformat(timespec="seconds")
    new = {name: now for name in names if name not in kept}
    for name in new:
        if name not in known:
            raise unknown_name("licence", name, known)
    if new:
        with replacing(root.accepted) as draft:
            draft.write_text(json.dumps(kept | new, indent=1), encoding="utf-8")


def require(root: DataRoot, card: TaskCard, origin: Origin) -> None:
    """Refuse an origin whose terms were not accepted.

    Raises:
        RequestError: With the terms and the command that accepts them.
    """
    if origin.accept and origin.accept not in accepted(root):
        msg = f"task {card.name!r}: origin {origin.name!r} has terms: {origin.terms}\nIf you accept"
        command = f"crossbench data fetch {card.name} --accept-licence {origin.accept}"
        raise RequestError(f"{msg} them: {command}")
