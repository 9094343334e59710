"""The card of a new task."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from crossbench.data.inputs import find_kind
from crossbench.errors import RequestError
from crossbench.files.atomic import replacing
from crossbench.registry.tasks import load_card
from crossbench.specs import NpzSource, TaskCard
from crossbench.specs.reader import to_mapping
from crossbench.specs.toml import to_toml

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.data.new.draft import Draft

_HEAD = """\
# Written by crossbench data new from a folder of files. What you know better, correct here:
# title, modality, licence, citation, metric, known_issues. docs/cards.md explains the keys.
"""


def card_of(draft: Draft) -> TaskCard:
    """The card, without the range of intensities, which is known when all files were read."""
    choices = draft.choices
    return TaskCard(
        name=choices.name,
        title=choices.title or choices.name,
        kind=draft.kind,
        dimension=find_kind(draft.kind).dims,
        modality=choices.modality,
        classes=draft.classes,
        licence="private",
        citation="none",
        metric="balanced_accuracy",
        version=1,
        source=NpzSource(
            file=f"{choices.name}.npz",
            axes=find_kind(draft.kind).axes,
            remedy="Make it by crossbench data new from the folder of its files.",
        ),
        samples={"folder": len(draft.samples)},
        class_counts=draft.class_counts,
        shape=draft.shape[1:],
        channels=draft.shape[0],
        input_size=draft.input_size,
        group=draft.group or None,
        official_split=draft.official or None,
        preparation=draft.preparation,
    )


def check_place(file: Path, *, overwrite: bool) -> None:
    """Refuse to write over a card that its user may have edited.

    Raises:
        RequestError: Naming it.
    """
    if file.exists() and not overwrite:
        msg = f"{file} is there already; give another --name, or --overwrite to write it anew"
        raise RequestError(msg)


def write_card(card: TaskCard, file: Path) -> None:
    """Write a card; it becomes visible when the strict reader takes it."""
    with replacing(file) as draft:
        whole = draft.with_suffix(".toml")
        try:
            whole.write_text(_HEAD + to_toml(_given(card)), encoding="utf-8")
            load_card(whole)
            whole.replace(draft)
        finally:
            whole.unlink(missing_ok=True)


def _given(card: TaskCard) -> dict[str, Any]:
    """The keys of a card that say something."""
    plain = to_mapping(card)
    order = [field.name for field in fields(card) if field.name in plain]
    left = {key: plain[key] for key in order if plain[key] not in (None, {}, [], False)}
    left.pop("dimension")  # the kind says it
    return {key: _stated(value) for key, value in left.items()}


def _stated(value: Any) -> Any:
    """A table without keys that say nothing."""
    if not isinstance(value, dict):
        return value
    return {key: item for key, item in value.items() if item not in (None, "", {}, [], False)}
