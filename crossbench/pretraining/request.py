"""Request for a pretrained network: data, settings, and places of its files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.folder import open_folder
from crossbench.environment.provenance import package_versions
from crossbench.errors import RequestError
from crossbench.files.hashing import hash_json
from crossbench.nets.backbones import PLAIN, layer_form
from crossbench.registry.method_identity import method_hash
from crossbench.registry.tasks import find_task, registered_task
from crossbench.results.records.folders import PRETRAIN_ENDING, file_name
from crossbench.results.records.identity import task_hash
from crossbench.results.records.reading import beside
from crossbench.runs.request import Resolved, resolve
from crossbench.runs.samples import choose_data
from crossbench.specs import PretrainSettings, TaskCard
from crossbench.specs.overrides import overridden
from crossbench.specs.requests import ALL, RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from crossbench.methods import Method
    from crossbench.results.records.pretrainings import PretrainRecord


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """One network to pretrain, as names and plain values.

    Attributes:
        data: A registered 2D task, the path of a card, or a folder of images.
        run: What else is asked for, by the fields of a run: one method, whose 2D layers the
            network has; one seed, of the split, the weights drawn and the order of samples; one
            fold, a folder of images having fold 0 alone; the backbone. Preset and settings say
            how a task is divided, scaled and, under ``smoke``, stood in for.
        settings: Overrides of Table I's settings, such as ``epochs=5``.
        out: Results folder.
    """

    data: str
    run: RunRequest
    settings: tuple[str, ...] = ()
    out: str = "results"

    def __post_init__(self) -> None:
        for name in ("methods", "seeds", "folds"):
            values = getattr(self.run, name)
            if values is None or len(values) != 1 or ALL in values:
                raise RequestError(f"{name} (={values}) of a pretraining must name one, not more")


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """A request for one network with every name resolved.

    Attributes:
        asked: The request as it came.
        run: What its part of a run stands for.
        data: The card of the 2D task, or the folder of images.
        settings: The recipe.
        device: Where the network is trained.
    """

    asked: PretrainRequest
    run: Resolved
    data: TaskCard | Path
    settings: PretrainSettings
    device: torch.device

    @property
    def method(self) -> Method:
        """The method whose 2D layers the network has."""
        return self.run.methods[0]

    @property
    def form(self) -> str:
        """The network's layers: ``plain`` for all methods with plain ones, else the method."""
        return layer_form(self.method)

    @property
    def backbone(self) -> str:
        """The timm name of the network."""
        return self.run.asked.backbone

    @property
    def seed(self) -> int:
        """The one seed."""
        return self.run.preset.split.seeds[0]

    @property
    def fold(self) -> int:
        """The one fold."""
        return self.run.preset.split.run_folds[0]


def prepare(request: PretrainRequest, device: torch.device) -> Pretraining:
    """Resolve every name of a request.

    Raises:
        RequestError: If a name is unknown, or a setting is malformed or out of range.
        DataError: If the data folder that is named does not exist.
    """
    return Pretraining(
        asked=request,
        run=resolve(replace(request.run, tasks=())),
        data=find_data(request.data),
        settings=make_settings(request.settings),
        device=device,
    )


def make_settings(overrides: Sequence[str] = ()) -> PretrainSettings:
    """Table I's settings with ``key=value`` overrides.

    Example:
        >>> make_settings(["epochs=5"]).epochs
        5

    Raises:
        RequestError: If an override is not of that form, names an unknown key, or has a value
            of the wrong type or out of range.
    """
    return overridden(PretrainSettings(), overrides, example="epochs=5")


# --------------------------------------------------------------------------- what and where


def find_data(data: str) -> TaskCard | Path:
    """The card of a 2D task, or the folder of images, that a request names.

    Raises:
        RequestError: If it is neither, or the task is of volumes.
    """
    if registered_task(data) is None and Path(data).is_dir():
        return Path(data).resolve()
    try:
        card = find_task(data)
    except RequestError as error:
        raise RequestError(f"no folder of images {data!r}, and {error}") from error
    if card.kind != "image":
        msg = f"task {card.name!r} is of {card.kind}s; networks are pretrained on 2D tasks"
        raise RequestError(msg)
    return card


def recipe(planned: Pretraining) -> str:
    """SHA-256 over what makes the weights, except seed, fold and samples."""
    return hash_json(
        {
            "harness": package_versions()["crossbench"],
            "layers": layers_hash(planned),
            "backbone": planned.backbone,
            "settings": planned.settings.fingerprint(),
            "data": _data_facts(planned),
        }
    )


def layers_hash(planned: Pretraining) -> str:
    """Hash of the source of a method's own layers; plain ones, whatever the method, have none."""
    return PLAIN if planned.form == PLAIN else method_hash(planned.method)


def _data_facts(planned: Pretraining) -> dict[str, Any]:
    data, preset = planned.data, planned.run.preset
    if isinstance(data, Path):
        return {"folder": open_folder(data).content_hash}
    return {"task": task_hash(data), "data": choose_data(data, preset), **preset.input.fed()}


def record_path(planned: Pretraining) -> Path:
    """Path of the record; the weights that it names lie beside it.

    ``<out>/pretrain/<data>/<layers>-<backbone>-<recipe[:8]>/seed43-fold0.pretrain.json``
    """
    name = file_name(planned.data.name)
    made = "-".join([file_name(planned.form), file_name(planned.backbone), recipe(planned)[:8]])
    file = f"seed{planned.seed}-fold{planned.fold}{PRETRAIN_ENDING}"
    return Path(planned.asked.out) / "pretrain" / name / made / file


def checkpoint_path(planned: Pretraining, record: PretrainRecord) -> Path:
    """Path of the weights that a record of the request names.

    Raises:
        RecordError: If the record names a file elsewhere.
    """
    return beside(record_path(planned), record.checkpoint, "checkpoint")


def state_path(planned: Pretraining) -> Path:
    """Path of the state of the last epoch, until the weights are there."""
    path = record_path(planned)
    return path.with_name(path.name.removesuffix(PRETRAIN_ENDING) + ".state.pt")
