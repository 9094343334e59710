"""A run's fitted network, made again from its record and applied to new samples."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from crossbench.data.dataset import Dataset
from crossbench.data.formats.files import read_samples
from crossbench.data.inputs import find_kind
from crossbench.data.transforms import STATISTICS
from crossbench.environment.arithmetic import arithmetic
from crossbench.environment.state import importing
from crossbench.errors import CardError, EvaluationError, RecordError, RequestError, WeightsError
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import read_checkpoint
from crossbench.registry.claims import PLUGIN_FILE
from crossbench.registry.entries import method_entries
from crossbench.registry.method_identity import method_hash
from crossbench.registry.methods import find_methods
from crossbench.results.records.files import read_record
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.runs.checkpoint import Details
from crossbench.specs import ComputeSettings, InputSettings
from crossbench.specs.method_names import base_name
from crossbench.specs.reader import from_mapping
from crossbench.training.features import batch_size
from crossbench.training.loader import BatchLoader
from crossbench.training.predict import log_probabilities, predict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from crossbench.data.inputs import InputKind
    from crossbench.data.transforms import BatchTransform
    from crossbench.methods import Method
    from crossbench.nets.weights.checkpoint import Checkpoint, CheckpointMetadata
    from crossbench.specs import RunRecord

_REMEDY = "run it again with --save-weights"


class Predicted(NamedTuple):
    """What a network says about the samples of one file.

    Attributes:
        file: The file.
        probabilities: (N, K) float64, rows summing to one, in the file's order.
    """

    file: Path
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A run's fitted network on its device, with the transform of the run's test part.

    Attributes:
        network: The network.
        details: What the run's checkpoint says of it.
        transform: From stored values to the network's inputs.
        compute: The arithmetic of the run.
        device: Where the network is.
        warnings: Why its predictions may differ from the run's.
    """

    network: torch.nn.Module
    details: Details
    transform: BatchTransform
    compute: ComputeSettings
    device: torch.device
    warnings: tuple[str, ...]

    def predict(self, file: Path) -> Predicted:
        """Class probabilities of every sample of a file that :func:`read_samples` reads.

        Raises:
            DataError: If the file is not readable, or its samples are not of the run's kind.
            EvaluationError: If the network answers no number for a sample.
        """
        details = self.details
        kind, shape = _kind(details), details.sample_shape
        images = read_samples(
            file, kind=kind, shape=shape, axes=details.axes, preparation=details.preparation
        )
        feed = BatchLoader(
            dataset=_unlabelled(images, file, len(self.details.classes)),
            indices=np.arange(len(images)),
            transform=self.transform,
            batch_size=batch_size(details.fed_shape),
            device=self.device,
        )
        with arithmetic(self.compute):
            logits = predict(self.network, feed, precision=self.compute.precision)
        finite = np.isfinite(logits.numpy()).all(axis=1)
        if not finite.all():
            msg = f"{file}: the network answers NaN or infinity for sample {int(np.argmin(finite))}"
            raise EvaluationError(f"{msg}; its values may be in other units than the run's data")
        return Predicted(file, np.exp(log_probabilities(logits)))


def load_predictor(path: Path, *, device: torch.device, plugins: Sequence[str] = ()) -> Predictor:
    """Make the fitted network of a run again.

    Args:
        path: The run's record.
        device: Where the network is to be.
        plugins: Python files that define further methods.

    Raises:
        RecordError: If the record is not valid, or its weights are not those it was written with.
        RequestError: If the run has no network, or its weights were not kept.
        WeightsError: If the weights are another run's, or the network is no longer what it was.
    """
    record = read_record(path)
    weights = _weights_of(path, record)
    checkpoint = read_checkpoint(weights, sha256=record.weights_sha256)
    about, details = _description(checkpoint, record)
    with importing(record.key.method):
        method = _method(path, record, plugins)
    network = build_model(
        method,
        dims=record.dimension,
        kind=details.kind,
        shape=details.fed_shape,
        facts=_kind(details).facts(details.fed_shape),
        num_classes=about.num_classes,
        backbone=record.key.backbone,
        **details.settings.get("network", {}),
    )
    try:
        network.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        msg = (
            f"{weights} does not fit the network that {method.name!r} now makes of "
            f"{record.key.backbone}; take the versions of both that the record names"
        )
        raise WeightsError(f"{msg} ({str(error).splitlines()[-1].strip()})") from error
    warnings = []
    if method_hash(method) != record.provenance.get("hashes", {}).get("method"):
        changed = f"the source of method {method.name!r} has changed since the run"
        warnings.append(f"{changed}: predictions may differ from its own")
    return Predictor(
        network=network.to(device),
        details=details,
        transform=_transform(about, details),
        compute=ComputeSettings(
            precision=details.settings["precision"], tf32=details.settings["tf32"]
        ),
        device=device,
        warnings=tuple(warnings),
    )


def _method(path: Path, record: RunRecord, plugins: Sequence[str]) -> Method:
    """The method of a run's network.

    Raises:
        RequestError: If it is not there; it says what the run was made with.
    """
    name = record.key.method
    origin = MethodOrigin.of(record)
    if base_name(name) not in method_entries() and not plugins:
        if origin.distribution in ("", PLUGIN_FILE):
            file = origin.file or "FILE.py"
            msg = f"{path} is of method {name!r}, which a plugin defined; pass --plugin {file}"
        else:
            package = f"{origin.distribution} {origin.version}"
            msg = f"{path} is of method {name!r} of {package}; install that package"
        raise RequestError(msg)
    (method,) = find_methods([name], plugins)
    return method


def _weights_of(path: Path, record: RunRecord) -> Path:
    if record.key.plain:
        msg = f"{path}: {record.key.method!r} is a plain baseline, which has no network"
        raise RequestError(f"{msg}; choose the record of a method")
    if record.weights is None:
        raise RequestError(f"{path}: its weights were not kept; {_REMEDY}")
    return path.with_name(record.weights)


def _description(checkpoint: Checkpoint, record: RunRecord) -> tuple[CheckpointMetadata, Details]:
    """What a checkpoint says of the run that it should be of."""
    weights, about = checkpoint.path, checkpoint.about
    if about is None:
        raise WeightsError(f"{weights}: no checkpoint of a run; {_REMEDY}")
    try:
        details = from_mapping(Details, about.details, where=str(weights))
    except CardError as error:
        raise WeightsError(f"{error}; {_REMEDY}") from error
    if details.identity != record.identity:
        raise RecordError(f"{weights}: the weights of another run; {_REMEDY}")
    _check_description(about, details, record, where=str(weights))
    return about, details


def _check_description(
    about: CheckpointMetadata, details: Details, record: RunRecord, *, where: str
) -> None:
    """Refuse what would be shown under names, or put through figures, that are not the run's.

    Raises:
        WeightsError: Naming what does not fit.
    """
    names, outputs = list(details.classes), about.num_classes
    recorded = record.provenance.get("classes", names)
    if len(names) != outputs:
        fault = f"names {len(names)} classes for {outputs} outputs"
    elif names != recorded:
        fault = f"names the classes {names}, the record {recorded}"
    elif about.statistics not in STATISTICS:
        fault = f"names no known channel statistics ({about.statistics!r})"
    elif len(details.sample_shape) != record.dimension + 1:
        fault = f"has a sample shape {details.sample_shape} that is not {record.dimension}D"
    elif missing := {"precision", "tf32"} - set(details.settings):
        fault = f"lacks the settings {', '.join(sorted(missing))}"
    else:
        return
    raise WeightsError(f"{where} {fault}; {_REMEDY}")


def _kind(details: Details) -> InputKind:
    """The input kind of the run's task, under the options on its card."""
    return find_kind(details.kind).configured(details.input, where=f"card {details.task!r}")


def _transform(about: CheckpointMetadata, details: Details) -> BatchTransform:
    """The transform of the run's test part."""
    if about.statistics is None:
        raise WeightsError(f"its weights do not say how inputs were normalised; {_REMEDY}")
    _, transform = _kind(details).transforms(
        details.fed_shape,
        value_range=details.value_range,
        statistics=about.statistics,
        settings=InputSettings(scaling="sample", augment=False),  # training's: not used here
    )
    return transform


def _unlabelled(images: NDArray[np.generic], file: Path, num_classes: int) -> Dataset:
    """Samples of which nothing is known."""
    return Dataset(
        images=images,
        labels=np.zeros(len(images), np.int64),
        num_classes=num_classes,
        groups=None,
        official=None,
        covariate=None,
        source="real",
        file=file,
        content_hash="",
    )


def to_csv(classes: Sequence[str], predicted: Iterable[Predicted]) -> str:
    """Predictions as CSV: ``file,sample,predicted`` and ``p_CLASS`` for each class, a row a sample.

    Args:
        classes: Class names; the index is the column of the probabilities.
        predicted: Files in the order of the rows.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "sample", "predicted", *(f"p_{name}" for name in classes)])
    for file, rows in predicted:
        for sample, row in enumerate(rows):
            shares = (f"{share:.9g}" for share in row)
            writer.writerow([file, sample, classes[int(row.argmax())], *shares])
    return stream.getvalue()
