"""Request for a pretrained network: data, settings, and places of its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from crossbench.data.formats.folder import open_folder
from crossbench.environment.provenance import package_versions
from crossbench.errors import CardError, RequestError
from crossbench.files.hashing import hash_json
from crossbench.nets.backbones import PLAIN, layer_form
from crossbench.registry.method_identity import method_hash
from crossbench.registry.tasks import find_task, registered_task
from crossbench.results.records.folders import PRETRAIN_ENDING, file_name
from crossbench.results.records.identity import task_hash
from crossbench.results.records.reading import beside
from crossbench.runs.samples import choose_data
from crossbench.specs import PretrainSettings, TaskCard
from crossbench.specs.overrides import overridden
from crossbench.specs.reader import check, from_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.methods import Method
    from crossbench.results.records.pretrainings import PretrainRecord
    from crossbench.specs import Preset


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """One network to pretrain.

    Attributes:
        method: Whose 2D layers the network has.
        data: A registered 2D task, the path of a card, or a folder of images.
        preset: How a task is divided, scaled and, under ``smoke``, stood in for; of no account
            for a folder of images.
        settings: The recipe.
        backbone: timm name of the network.
        seed: Of the split, the weights drawn, and the order of samples.
        fold: Of the split; a folder of images has fold 0 alone.
        out: Results folder.
        device: Where the network is trained.
        data_dir: Where downloaded data lies.
        cache_dir: Where phantoms and hashes are kept.
    """

    method: Method
    data: str
    preset: Preset
    settings: PretrainSettings = field(default_factory=PretrainSettings)
    backbone: str = "resnet18"
    seed: int = 43
    fold: int = 0
    out: Path = Path("results")
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    data_dir: Path
    cache_dir: Path

    @property
    def form(self) -> str:
        """The network's layers: ``plain`` for all methods with plain ones, else the method."""
        return layer_form(self.method)


def make_settings(overrides: Sequence[str] = ()) -> PretrainSettings:
    """Table I's settings with ``key=value`` overrides.

    Example:
        >>> make_settings(["epochs=5"]).epochs
        5

    Raises:
        RequestError: If an override is not of that form, names an unknown key, or has a value
            of the wrong type or out of range.
    """
    try:
        mapping = overridden(PretrainSettings(), overrides, example="epochs=5")
        settings = from_mapping(PretrainSettings, mapping, where="--set")
        check(settings, where="--set")
    except CardError as error:
        raise RequestError(str(error)) from error
    return settings


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


def recipe(request: PretrainRequest) -> str:
    """SHA-256 over what makes the weights, except seed, fold and samples."""
    return hash_json(
        {
            "harness": package_versions()["crossbench"],
            "layers": layers_hash(request),
            "backbone": request.backbone,
            "settings": request.settings.fingerprint(),
            "data": _data_facts(request),
        }
    )


def layers_hash(request: PretrainRequest) -> str:
    """Hash of the source of a method's own layers; plain ones, whatever the method, have none."""
    return PLAIN if request.form == PLAIN else method_hash(request.method)


def _data_facts(request: PretrainRequest) -> dict[str, Any]:
    data = find_data(request.data)
    if isinstance(data, Path):
        return {"folder": open_folder(data).content_hash}
    inputs = request.preset.input
    return {
        "task": task_hash(data),
        "data": choose_data(data, request.preset),
        **inputs.fed(),
    }


def record_path(request: PretrainRequest) -> Path:
    """Path of the record; the weights that it names lie beside it.

    ``<out>/pretrain/<data>/<layers>-<backbone>-<recipe[:8]>/seed43-fold0.pretrain.json``
    """
    data = find_data(request.data)
    name = file_name(data.name)
    made = "-".join([file_name(request.form), file_name(request.backbone), recipe(request)[:8]])
    file = f"seed{request.seed}-fold{request.fold}{PRETRAIN_ENDING}"
    return request.out / "pretrain" / name / made / file


def checkpoint_path(request: PretrainRequest, record: PretrainRecord) -> Path:
    """Path of the weights that a record of the request names.

    Raises:
        RecordError: If the record names a file elsewhere.
    """
    return beside(record_path(request), record.checkpoint, "checkpoint")


def state_path(request: PretrainRequest) -> Path:
    """Path of the state of the last epoch, until the weights are there."""
    path = record_path(request)
    return path.with_name(path.name.removesuffix(PRETRAIN_ENDING) + ".state.pt")
