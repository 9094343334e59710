"""What is asked of a transfer, and its plan: the pretrainings, and the runs from either weights."""

from __future__ import annotations

import dataclasses
import glob
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench import pretraining
from crossbench.errors import RequestError
from crossbench.execution import local
from crossbench.nets.backbones import layer_form
from crossbench.nets.declarations import takes_image_weights
from crossbench.protocols import PROTOCOLS
from crossbench.specs.requests import ALL, RunRequest
from crossbench.transfer.folds import check_folds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from crossbench.methods import Method
    from crossbench.pretraining import Pretraining
    from crossbench.results.records.store import Store
    from crossbench.runs.plan import Plan

#: Protocols that are run where none is named.
COMPARED = tuple(name for name, protocol in PROTOCOLS.items() if protocol.compares_weights)
#: What a loop's pretraining is made with, beside Table I's settings.
SHORT = ("epochs=8", "batch_size=32", "step=3", "crop_scale=[0.5, 1.0]")


@dataclass(frozen=True, kw_only=True)
class TransferRequest:
    """A request to pretrain, transfer and compare.

    Attributes:
        source: A registered 2D task.
        run: The runs on one target task from random weights, whose folds hold the same groups as
            the source's; protocol and init are set for each part of the transfer.
        protocols: Names of protocols.
        pretrain_settings: Overrides of :data:`SHORT`, such as ``epochs=3``.
        inits: Weights to start from besides, as ``--init`` names them; where a method has none of
            them, it is left out.
        curve: Numbers of labelled samples, ``all`` for all of them, at each of which everything
            is run; empty for the number that the preset says.
        out: Results folder.
    """

    source: str
    run: RunRequest
    protocols: tuple[str, ...] = COMPARED
    pretrain_settings: tuple[str, ...] = ()
    inits: tuple[str, ...] = ()
    curve: tuple[str, ...] = ()
    out: str = "results"


@dataclass(frozen=True, kw_only=True)
class TransferPlan:
    """A transfer as far as it is known before anything is pretrained.

    Attributes:
        request: What was asked for.
        pretrainings: The 2D networks, one for each fold and form of layers.
        forms: The methods' names by what their 2D layers are called: those of one form share 2D
            weights.
        scratch: The plans from random weights, one a protocol and number of labelled samples;
            those from pretrained weights have the same runs.
        named: The plans from the other weights that are asked for.
    """

    request: TransferRequest
    forms: dict[str, list[str]]
    pretrainings: tuple[Pretraining, ...]
    scratch: tuple[Plan, ...]
    named: tuple[Plan, ...] = ()


def prepare(request: TransferRequest, store: Store, device: torch.device) -> TransferPlan:
    """Resolve every name, draw the folds and look up what is done.

    Raises:
        RequestError: If a name is unknown, or a fold of the source trains on what that of the
            target tests.
        DataError: If data is missing or damaged.
    """
    run = dataclasses.replace(request.run, strict=True)
    request = dataclasses.replace(request, run=run)
    asked = runs_asked(request)
    scratch = tuple(local.prepare(each, store) for each in asked)
    folds = sorted({(run.key.seed, run.key.fold) for run in scratch[0].runs})
    forms: dict[str, list[Method]] = defaultdict(list)
    planned = {run.key.method for run in scratch[0].runs}
    for method in scratch[0].request.methods:
        if method.name in planned and takes_image_weights(method):
            forms[layer_form(method)].append(method)
    pretrainings = tuple(
        pretraining.prepare(pretrain_request(request, methods[0], seed, fold), device)
        for seed, fold in folds
        for methods in forms.values()
    )
    check_folds(pretrainings, scratch[0])
    return TransferPlan(
        request=request,
        forms={form: [method.name for method in methods] for form, methods in forms.items()},
        pretrainings=pretrainings,
        scratch=scratch,
        named=tuple(
            local.prepare(dataclasses.replace(each, init=init), store)
            for init in request.inits
            for each in asked
        ),
    )


def runs_asked(request: TransferRequest) -> list[RunRequest]:
    """What is asked for from random weights, for each protocol and number of labelled samples.

    Raises:
        RequestError: If there is no protocol, or the curve is none.
    """
    if not request.protocols:
        raise RequestError("no protocol is asked for; name one or more of " + ", ".join(PROTOCOLS))
    return [
        dataclasses.replace(request.run, protocol=name, settings=(*request.run.settings, *limit))
        for name in request.protocols
        for limit in _limits(request.curve)
    ]


def _limits(curve: Sequence[str]) -> list[tuple[str, ...]]:
    """Overrides of the number of labelled samples, one for each part of a curve.

    Raises:
        RequestError: If a part is neither a number nor ``all``, or there are less than two.
    """
    if not curve:
        return [()]
    for part in curve:
        if part != ALL and not part.isdecimal():
            raise RequestError(f"curve part {part!r} is no number; name numbers, or all")
    if len(set(curve)) < max(2, len(curve)):
        msg = f"curve {','.join(curve)!r} needs two numbers of labelled samples or more, each once"
        raise RequestError(msg)
    return [(f"split.max_labelled={'none' if part == ALL else part}",) for part in curve]


def pretrained_plans(plan: TransferPlan, store: Store, scratch: Plan) -> list[Plan]:
    """The runs of a plan from pretrained weights, a plan for each form of layers."""
    return [
        local.prepare(
            dataclasses.replace(
                scratch.request.asked, methods=tuple(methods), init=_weights(plan, form)
            ),
            store,
        )
        for form, methods in plan.forms.items()
    ]


def _weights(plan: TransferPlan, form: str) -> str:
    """Where the pretrained weights of a form of layers lie, as an init that serves every fold."""
    first = next(each for each in plan.pretrainings if each.form == form)
    folder = str(pretraining.record_path(first).parent)
    if "{" in folder or "}" in folder:
        raise RequestError(f"results folder {folder!r} has a brace in its path; rename it")
    return f"{glob.escape(folder)}/seed{{seed}}-fold{{fold}}.*.safetensors"


def pretrain_request(
    request: TransferRequest, method: Method, seed: int, fold: int
) -> pretraining.PretrainRequest:
    """The request for the 2D network that a method's runs on a fold start from.

    Every image is labelled: it is volumes that are scarce.
    """
    return pretraining.PretrainRequest(
        data=request.source,
        run=dataclasses.replace(
            request.run,
            methods=(method.name,),
            seeds=(seed,),
            folds=(fold,),
            settings=(*request.run.settings, "split.max_labelled=none"),
        ),
        settings=(*SHORT, *request.pretrain_settings),
        out=request.out,
    )
