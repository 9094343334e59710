"""Integrated gradients of networks of recordings: what of an input a decision rests on.

Sundararajan et al., arXiv 1703.01365, by captum. docs/diagnostics.md says what is kept of them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from crossbench.errors import RequestError
from crossbench_baselines._brainlm import BrainLM
from crossbench_baselines._recordings import Connectivity, ConnectivityNetwork, Fused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_STEPS = 16  # on the way from the reference to the input


class RecordingObserver:
    """Attributions of decisions to edges and regions, beside those of a redrawn network.

    A decision is the logit of the predicted class less the mean of the others. The reference has
    no connectivity and every region at its median throughout; coordinates stay.
    """

    layer: ClassVar[tuple[type[nn.Module], ...]] = (Fused, ConnectivityNetwork)

    def measure(self, layer: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
        """Decisions and their attributions, of the views that the network reads.

        Returns:
            ``decision`` and ``reference`` (B,), the decision on the input and on the reference;
            ``edges`` (B, R, R), symmetric, and ``series`` (B, R), what each edge and the time
            series of each region add to it; ``redrawn_edges`` and ``redrawn_series``, likewise of
            the network with weights that are drawn anew.

        Raises:
            RequestError: If captum is not installed.
        """
        chosen = layer.forward(inputs).argmax(1)
        found = _attributions(layer, inputs, chosen)
        redrawn = _attributions(_redrawn(layer), inputs, chosen)
        return {
            "decision": _decision(inputs, layer, chosen),
            "reference": _decision(_reference(layer, inputs), layer, chosen),
            **found,
            **{f"redrawn_{name}": values for name, values in redrawn.items()},
        }

    def picture(self, layer: nn.Module, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:  # noqa: ARG002
        """None: single samples are not pictured."""
        return {}

    def gather(self, layer: nn.Module, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:  # noqa: ARG002
        """Means over samples of what is large, and sums of each sample.

        Returns:
            ``decision`` and ``reference`` (N,); ``edges_sum`` and ``series_sum`` (N,), what each
            view adds; ``edges`` (R, R), the mean; ``edges_regions`` and ``series_regions`` (R,),
            the mean magnitude of what a region adds by half of each of its edges, or by its time
            series; ``redrawn_`` before each of these three.
        """
        kept = {name: measured[name] for name in ("decision", "reference")}
        for name, values in measured.items():
            view = name.removeprefix("redrawn_")
            if name in ("decision", "reference"):
                continue
            regions = values.sum(2) if view == "edges" else values
            kept[f"{name}_regions"] = regions.abs().mean(0)
            if view == "edges":
                kept[name] = values.mean(0)
            if view == name:
                kept[f"{name}_sum"] = regions.sum(1)
        return kept


def _decision(inputs: Tensor, network: nn.Module, chosen: Tensor) -> Tensor:
    """(B,) logit of the chosen class less the mean of the others; no hook of it is called."""
    logits: Tensor = network.forward(inputs).float()
    own = logits.gather(1, chosen[:, None])[:, 0]
    return own - (logits.sum(1) - own) / (logits.shape[1] - 1)


def _attributions(network: nn.Module, inputs: Tensor, chosen: Tensor) -> dict[str, Tensor]:
    """``edges`` (B, R, R) and ``series`` (B, R), of the views that it reads."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        msg = "attributions to edges and regions are computed by captum, which is not installed"
        raise RequestError(f"{msg}; pip install 'crossbench[fmri]'") from error
    with torch.enable_grad(), torch.autocast(inputs.device.type, enabled=False):
        found: Tensor = IntegratedGradients(_decision).attribute(
            inputs.float(),
            baselines=_reference(network, inputs),
            additional_forward_args=(network, chosen),
            n_steps=_STEPS,
            internal_batch_size=len(inputs),
        )
    rows, views = found.detach()[:, 0], _views(network)
    made = {}
    if "edges" in views:
        edges = rows[..., views["edges"]]
        made["edges"] = (edges + edges.mT) / 2
    if "series" in views:
        made["series"] = rows[..., views["series"]].sum(2)
    return made


def _reference(network: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs with zeros in place of every view; (B, 1, R, columns) float32."""
    reference = inputs.float().clone()
    for columns in _views(network).values():
        reference[..., columns] = 0
    return reference


def _views(network: nn.Module) -> dict[str, slice]:
    """Columns of the views that a network reads."""
    views = {}
    connectivity = network.connectivity
    if isinstance(connectivity, Connectivity):
        views["edges"] = slice(connectivity.start, connectivity.stop)
    if isinstance(network, Fused):
        views["series"] = slice(network.frozen.start, network.frozen.stop)
    return views


def _redrawn(network: nn.Module) -> nn.Module:
    """A copy with weights drawn from the run's seed, the same at each call of one run."""
    twin = deepcopy(network).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch.initial_seed())
        for module in twin.modules():
            reset: Any = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
        for module in twin.modules():
            if isinstance(module, BrainLM):
                module.draw()
    return twin.to(next(network.parameters()).device).eval()
