"""From a request to weights and a record, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from crossbench.data.inputs import find_kind
from crossbench.environment.arithmetic import arithmetic, derive_seed, thread_count
from crossbench.environment.provenance import hardware, package_versions
from crossbench.evaluation.metrics import Scores, evaluate_log
from crossbench.files.checkout import git_state
from crossbench.files.hashing import hash_json
from crossbench.nets.backbones import create_image_network
from crossbench.nets.weights.checkpoint import CheckpointMetadata, pack_checkpoint
from crossbench.pretraining import files
from crossbench.pretraining.distributed import ProcessGroup
from crossbench.pretraining.loop import Job, Progress, score, train
from crossbench.pretraining.request import layers_hash, recipe, record_path, state_path
from crossbench.pretraining.sources import Source, open_source
from crossbench.registry.method_identity import identify
from crossbench.registry.method_origin import method_origin
from crossbench.results.records.pretrainings import PretrainRecord, read_pretraining
from crossbench.specs.reader import to_mapping
from crossbench.training.predict import log_probabilities
from crossbench.training.timing import seconds_of

if TYPE_CHECKING:
    from crossbench.pretraining.request import Pretraining


class Listener(Protocol):
    """Listener to the progress of a pretraining; every call may be ignored."""

    def started(self, planned: Pretraining, samples: int) -> None:
        """Training begins, or goes on; each epoch puts ``samples`` through this process."""

    def advanced(self, samples: int) -> None:
        """``samples`` more went through the network of this process."""

    def epoch_done(self, row: dict[str, Any]) -> None:
        """An epoch is done, now or by an earlier process; ``row`` is its row of the curve."""


class Silence:
    """A listener that ignores everything."""

    def started(self, planned: Pretraining, samples: int) -> None:
        """Ignore."""

    def advanced(self, samples: int) -> None:
        """Ignore."""

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Ignore."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A pretraining whose data is open.

    Attributes:
        planned: The pretraining.
        source: Its data.
        hashes: What makes the weights, by name.
        identity: SHA-256 over these.
    """

    planned: Pretraining
    source: Source
    hashes: dict[str, str]
    identity: str

    def kept(self) -> PretrainRecord | None:
        """The valid record of these very weights, if both are there."""
        return files.kept(record_path(self.planned), self.identity)


def open_data(planned: Pretraining) -> Opened:
    """Open the data of a pretraining and say what its weights would be.

    Raises:
        RequestError: If there is no such fold.
        DataError: If the data is missing, damaged, or cannot be split.
    """
    source = open_source(planned)
    hashes = {
        "recipe": recipe(planned),
        **source.hashes,
        "seed": f"{planned.seed}/{planned.fold}",
    }
    return Opened(planned=planned, source=source, hashes=hashes, identity=hash_json(hashes))


def finished(planned: Pretraining) -> PretrainRecord | None:
    """The record where record and weights are there, else None; raises as :func:`pretrain`."""
    if not record_path(planned).is_file():  # opening the data would take longer
        return None
    return open_data(planned).kept()


def pretrain(
    planned: Pretraining, *, listener: Listener | None = None, group: ProcessGroup | None = None
) -> PretrainRecord:
    """Pretrain a network, unless its weights and record are there; go on where one was stopped.

    Args:
        planned: What to pretrain.
        listener: Told of progress.
        group: The processes that share the work, each of which calls this.

    Returns:
        The record, which lies beside the weights.

    Raises:
        RequestError: If fold, backbone or batch do not exist or do not fit together, or the
            results folder cannot be written or has not the room.
        DataError: If the data is missing, damaged, or too much of it is unreadable.
        DivergedError: If a training loss is NaN or infinite.
        WeightsError: If the state of a stopped process is damaged, or cannot be written.
        RecordError: If weights and record cannot be written.
    """
    group, listener = group or ProcessGroup(), listener or Silence()
    begin = datetime.now(UTC)
    opened = open_data(planned)
    kept: PretrainRecord | None = group.broadcast(opened.kept())
    if kept is not None:
        if group.is_main:
            files.sweep(record_path(planned))
        return kept
    with arithmetic(planned.settings.compute):
        job = _job(opened, group)
        group.on_main(lambda: files.check_room(job.state.parent, _bytes_needed(job)))
        samples = len(job.train.labels) + len(job.validation.labels)
        listener.started(planned, samples // group.size)
        progress = train(job, on_epoch=listener.epoch_done, on_samples=listener.advanced)
        scores = _scores(job)
    group.on_main(lambda: _write(opened, job, progress, scores, begin))
    return read_pretraining(record_path(planned))


def _job(opened: Opened, group: ProcessGroup) -> Job:
    planned, source = opened.planned, opened.source
    place = (source.name, planned.seed, planned.fold)
    return Job(
        network=_network(opened, derive_seed("pretrain-weights", *place, planned.form)),
        settings=planned.settings,
        train=source.train,
        validation=source.val,
        group=group,
        device=planned.device,
        seed=derive_seed("pretrain", *place),  # the same batches for every method
        state=state_path(planned),
        identity=opened.identity,
    )


def _bytes_needed(job: Job) -> int:
    """Bytes that the files of a job take at most: a state, and its successor.

    A state holds the network, AdamW's two moments of each parameter, and under ``lowest`` the best
    weights so far; in the end the weights lie beside the last state.
    """
    weights = sum(int(tensor.nbytes) for tensor in job.network.state_dict().values())
    moments = 2 * sum(int(tensor.nbytes) for tensor in job.network.parameters())
    state = weights * (2 if job.settings.select == "lowest" else 1) + moments
    there = job.state.stat().st_size if job.state.is_file() else 0
    return max(2 * state - there, weights)


def _network(opened: Opened, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    planned, source = opened.planned, opened.source
    shape = (source.inputs.size,) * 2
    network = create_image_network(planned.method, planned.backbone, source.num_classes, shape)
    return network.to(planned.device)


def _scores(job: Job) -> Scores:
    labels, logits = score(job)
    return evaluate_log(labels, log_probabilities(logits))


# ---------------------------------------------------------------------- weights and record


def _write(opened: Opened, job: Job, progress: Progress, scores: Scores, begin: datetime) -> None:
    """The weights first and the record last; then the state is of no more use."""
    files.write(
        record_path(opened.planned),
        pack_checkpoint(job.network.state_dict(), _about(opened, scores)),
        lambda name, digest: _record(opened, job, progress, scores, begin, name, digest),
    )
    job.state.unlink(missing_ok=True)


def _about(opened: Opened, scores: Scores) -> CheckpointMetadata:
    planned, source = opened.planned, opened.source
    return CheckpointMetadata(
        method=planned.form,
        dims=2,
        backbone=planned.backbone,
        num_classes=source.num_classes,
        recipe=opened.hashes["recipe"],
        statistics=source.inputs.statistics,
        seen=source.seen,
        details={
            "data": source.name,
            "source": source.kind,
            "seed": planned.seed,
            "fold": planned.fold,
            "identity": opened.identity,
            "hashes": _hashes(opened),
            "settings": _settings(opened),
            "metrics": scores.metrics,
            "versions": package_versions(),
        },
    )


def _record(
    opened: Opened,
    job: Job,
    progress: Progress,
    scores: Scores,
    begin: datetime,
    checkpoint: str,
    checkpoint_sha256: str,
) -> PretrainRecord:
    planned, source = opened.planned, opened.source
    return PretrainRecord(
        identity=opened.identity,
        recipe=opened.hashes["recipe"],
        data=source.name,
        source=source.kind,
        layers=planned.form,
        backbone=planned.backbone,
        seed=planned.seed,
        fold=planned.fold,
        num_classes=source.num_classes,
        counts={"train": len(source.train.labels), "val": len(source.val.labels)},
        settings=_settings(opened),
        world_size=job.group.size,
        selected_epoch=progress.selected,
        curve=tuple(progress.curve),
        throughput=median(row["images_per_second"] for row in progress.curve),
        metrics=scores.metrics,
        undefined=scores.undefined,
        partial=scores.partial,
        parameters=sum(tensor.numel() for tensor in job.network.parameters()),
        unreadable={name: tuple(files) for name, files in progress.unreadable.items() if files},
        warnings=(*source.warnings, *_warnings(job)),
        checkpoint=checkpoint,
        checkpoint_sha256=checkpoint_sha256,
        provenance={
            "hashes": _hashes(opened),
            "method": planned.method.name,
            "origin": method_origin(planned.method),
            "made_of": identify(planned.method).facts,
            "versions": package_versions(),
            "git": git_state(),
            "hardware": hardware(planned.device),
            "threads": thread_count(planned.settings.compute),
            "started": begin.isoformat(timespec="seconds"),
        },
    )


def _hashes(opened: Opened) -> dict[str, str]:
    return opened.hashes | {"layers": layers_hash(opened.planned)}


def _settings(opened: Opened) -> dict[str, Any]:
    return to_mapping(opened.planned.settings) | to_mapping(opened.source.inputs)


def _warnings(job: Job) -> tuple[str, ...]:
    if job.group.size == 1 or job.device.type == "cuda":
        return ()
    note = f"BatchNorm normalised the share of each of {job.group.size} processes by itself"
    return (f"{note}: SyncBatchNorm needs CUDA",)


# -------------------------------------------------------------------------------- estimate


def estimate_seconds(planned: Pretraining, *, group: ProcessGroup | None = None) -> float:
    """Seconds that :func:`pretrain` would take, from one timed step without decoding.

    Raises:
        RequestError: If fold or backbone do not exist.
        DataError: If the data is missing, damaged, or cannot be split.
    """
    opened, size = open_data(planned), (group or ProcessGroup()).size
    if opened.kept() is not None:
        return 0.0
    settings, source = planned.settings, opened.source
    with arithmetic(settings.compute), torch.random.fork_rng(devices=[]):
        network = _network(opened, seed=0)
        channels = find_kind("image").channels_fed
        batch = max(2, min(settings.batch_size, len(source.train.labels)) // size)
        inputs = torch.rand(batch, channels, source.inputs.size, source.inputs.size)
        learn, look = _step_seconds(network, inputs.to(planned.device))
    train = settings.epochs * len(source.train.labels) * learn
    validate = (settings.epochs + 1) * len(source.val.labels) * look
    return (train + validate) / batch / size


def _step_seconds(network: nn.Module, inputs: torch.Tensor) -> tuple[float, float]:
    """Seconds of a training step and of a prediction on one batch."""
    labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)

    def learn() -> None:
        network.train()
        nn.functional.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def look() -> None:
        network.eval()
        network(inputs)

    return seconds_of(learn, inputs.device), seconds_of(look, inputs.device)
