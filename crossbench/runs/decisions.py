"""Decisions on one run: weights, settings, channel statistics, shared features, identity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.data.inputs import kind_of, pixels
from crossbench.environment.provenance import package_versions
from crossbench.evaluation import covariates
from crossbench.evaluation import plain as plain_baselines
from crossbench.files.hashing import hash_file, hash_json
from crossbench.nets.weights.init import find_init
from crossbench.protocols.plain import PLAIN
from crossbench.registry.method_identity import identify, method_hash
from crossbench.results.records.identity import identity_of, seed_part, split_facts, task_facts
from crossbench.runs.exposure import check_unseen, suspicion
from crossbench.runs.plan import PlannedRun
from crossbench.specs import RunKey
from crossbench.specs.method_names import base_name

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.methods import Method
    from crossbench.runs.request import Resolved
    from crossbench.specs import TaskCard


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold of a task, on which every run is decided alike.

    Attributes:
        request: What is asked for.
        card: The task.
        dataset: Its samples.
        split: The fold's training, validation and test samples.
    """

    request: Resolved
    card: TaskCard
    dataset: Dataset
    split: Split

    def network_run(self, method: Method) -> PlannedRun:
        """The run of a method.

        Raises:
            WeightsError: If its weights have seen the test part, or there are none.
        """
        request, split = self.request, self.split
        init = find_init(
            request.asked.init,
            method,
            backbone=request.asked.backbone,
            seed=split.seed,
            fold=split.fold,
            statistics=request.statistics
            or kind_of(self.card).statistics(base_name(method.name), request.preset.input),
        )
        check_unseen(init, self.dataset, split, task=self.card.name)
        init = replace(init, warnings=suspicion(init, self.card))
        settings, made_of = _settings(request, method), identify(method)
        hashes = {
            "name": method.name,
            **self._parts,
            "method": made_of.sha256,
            "config": hash_json(settings),
            **init.hashes,
        }
        return PlannedRun(
            key=self._key(
                method.name,
                backbone=request.asked.backbone,
                init=init.name,
                protocol=request.protocol.name,
            ),
            identity=identity_of(hashes),
            hashes=hashes,
            facts=self._facts | {"method": made_of.facts},
            split=split,
            protocol=request.protocol,
            method=method,
            init=init,
            settings=settings,
            feature_key=self._feature_key(method, hashes),
            done=False,
        )

    def plain_run(self, name: str) -> PlannedRun:
        """The run of a plain baseline."""
        hashes = {"name": name, **self._parts, "method": _plain_source(name)}
        return PlannedRun(
            key=self._key(name, backbone="none", init="none", protocol=PLAIN.name),
            identity=identity_of(hashes),
            hashes=hashes,
            facts=self._facts,
            split=self.split,
            protocol=PLAIN,
            feature_key=identity_of(hashes),
            done=False,
        )

    def _key(self, method: str, **parts: str) -> RunKey:
        return RunKey(
            preset=self.request.preset.name,
            task=self.card.name,
            method=method,
            seed=self.split.seed,
            fold=self.split.fold,
            **parts,
        )

    def _feature_key(self, method: Method, hashes: Mapping[str, str]) -> Hashable:
        """What a run's features have in common with those of others on its task.

        Weights are drawn for each method and seed, and serve all folds; only weights of the fold's
        own, or inputs that take something from the training part, make each fold different.
        """
        if not self.request.protocol.shares_features:
            return identity_of(hashes)
        inputs = self.request.preset.input
        learnt = inputs.scaling == "train" or kind_of(self.card).learns(inputs)
        own = learnt or "weights" in hashes
        return method.name, self.split.seed, self.split.fold if own else None

    @cached_property
    def _facts(self) -> dict[str, Any]:
        """Facts whose hashes are parts of every identity on this fold."""
        split = split_facts(self.request.preset, self.split, self.dataset.labels)
        return {"task": task_facts(self.card), "split": split}

    @cached_property
    def _parts(self) -> dict[str, str]:
        """Parts of every identity on this fold."""
        return {
            "harness": package_versions()["crossbench"],
            "source": self.dataset.source,
            "data": self.dataset.content_hash,
            "seed": seed_part(self.split.seed, self.split.fold),
            **{name: hash_json(fact) for name, fact in self._facts.items()},
            **_kind_hash(kind_of(self.card)),
        }


@cache
def _plain_source(name: str) -> str:
    """The part ``method`` of a plain baseline: a hash of its code."""
    own = {covariates.COVARIATES.name: (covariates,)}
    modules = own.get(name, (plain_baselines, pixels))
    return hash_json([hash_file(Path(str(module.__file__))) for module in modules])


def _kind_hash(kind: Any) -> dict[str, str]:
    """The identity of an input kind that another package registers; ``harness`` tells our own."""
    own = type(kind).__module__.startswith("crossbench.")
    return {} if own else {"kind": method_hash(kind)}


def _settings(request: Resolved, method: Method) -> dict[str, Any]:
    """Every setting that bears on how a method is fitted, and none that does not."""
    preset = request.preset
    settings: dict[str, Any] = {
        "backbone": request.asked.backbone,
        "drop_keys": list(preset.drop_keys.get(base_name(method.name), ())),
        **preset.compute.fingerprint(),
        **preset.network.fingerprint(),
        **request.protocol.settings(preset),
    }
    if request.statistics is not None:
        settings["statistics"] = request.statistics
    return settings
