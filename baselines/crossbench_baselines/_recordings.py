"""Views of recordings for the methods that read them, and the encoder of their windows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from crossbench.errors import ConversionError
from crossbench_baselines._brainlm import REGIONS, WINDOW, BrainLM, is_brainlm, read_brainlm

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.methods import NetworkRequest

_WIDTH = 256  # of a connectivity's embedding, as in the released code of FMM_TC

_SMALLEST = 1e-8  # variance that is no rounding


def view(request: NetworkRequest, name: str) -> tuple[int, int]:
    """Where a view of the recordings begins and ends along the last axis of an input.

    Raises:
        ConversionError: If the task's recordings have no such view.
    """
    views: dict[str, tuple[int, int]] = request.facts.get("views", {})
    if name not in views:
        known = " and ".join(sorted(views.keys() - {"coordinates"})) or "nothing"
        msg = f"it reads the {name} of recordings, of which this task has {known} alone"
        raise ConversionError(msg)
    start, stop = views[name]
    return int(start), int(stop)


class Connectivity(nn.Module):
    """A 2D network of timm over connectivity, region by region, as an image of one channel.

    Attributes:
        image_network: The 2D network, its linear head included.
    """

    def __init__(self, request: NetworkRequest, outputs: int) -> None:
        super().__init__()
        self.start, self.stop = view(request, "connectivity")
        self.image_network: Any = request.image_network(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 1, R, columns) to (B, outputs)."""
        image = inputs[..., self.start : self.stop]
        answer: Tensor = self.image_network(image.expand(-1, 3, -1, -1))
        return answer


class Windows(nn.Module):
    """The encoder over windows of 200 volumes, evenly spaced over each recording.

    There are as many as it takes to cover the longest recording; where they overlap, they do
    so by the same number of volumes.

    Attributes:
        encoder: The encoder of a window.
        count: Number of windows.
    """

    def __init__(self, request: NetworkRequest, encoder: BrainLM) -> None:
        super().__init__()
        self.start, self.stop = view(request, "timeseries")
        self.places = slice(*view(request, "coordinates"))
        volumes = self.stop - self.start
        if volumes < WINDOW:
            msg = f"its encoder reads windows of {WINDOW} volumes; the recordings have {volumes}"
            raise ConversionError(msg)
        self.encoder = encoder
        self.count = math.ceil(volumes / WINDOW)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, 1, R, columns) to (B, W, hidden)."""
        series, places = inputs[:, 0, :, self.start : self.stop], inputs[:, 0, :, self.places]
        free = (_lengths(series) - WINDOW).clamp(min=0)
        steps = torch.arange(WINDOW, device=series.device)
        embedded = []
        for number in range(self.count):
            share = number / max(self.count - 1, 1)
            first = (free * share).floor().long()
            index = (first[:, None] + steps)[:, None].expand(-1, series.shape[1], -1)
            embedded.append(self.encoder(series.gather(2, index), places))
        return torch.stack(embedded, dim=1)


def _lengths(series: Tensor) -> Tensor:
    """Volumes (B,) of padded recordings (B, R, T): up to the last that is not 0 everywhere."""
    volumes = torch.arange(1, series.shape[2] + 1, device=series.device)
    return ((series != 0).any(dim=1) * volumes).amax(dim=1)


def encoder_of(request: NetworkRequest) -> BrainLM:
    """The encoder with the weights that a run starts from; of the usual size where it has none.

    Raises:
        WeightsError: If they are those of something else.
    """
    tensors = request.weights()
    return BrainLM() if tensors is None else read_brainlm(tensors)


class Fused(nn.Module):
    """Embeddings of windows, of connectivity, or of both side by side, and a linear head.

    Attributes:
        frozen: The encoder of the windows.
        standardise: Normalises its embeddings.
        connectivity: The network of connectivity; None where time series are all that is read.
        head: The linear head; an ``nn.Identity`` for features.
        remarks: What the plan and each record are to say of it.
    """

    def __init__(
        self, request: NetworkRequest, *, with_connectivity: bool, drawn: bool = False
    ) -> None:
        super().__init__()
        connectivity = Connectivity(request, _WIDTH) if with_connectivity else None
        encoder = encoder_of(request)
        if drawn:
            encoder.draw()
        self.frozen = Windows(request, encoder)
        self.standardise = nn.BatchNorm1d(encoder.width, eps=_SMALLEST, affine=False)
        self.connectivity = connectivity
        self.remarks = () if drawn or request.weights() is None else _remarks(request)
        width = encoder.width + (_WIDTH if with_connectivity else 0)
        self.head: nn.Module = nn.Identity()
        if request.num_classes:
            self.head = nn.Linear(width, request.num_classes)

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        return self.head

    def fuse(self, inputs: Tensor, embedded: Tensor) -> Tensor:
        """(B, num_classes) from inputs and the embeddings (B, hidden) of their windows."""
        views = [self.standardise(embedded)]
        if self.connectivity is not None:
            views.append(self.connectivity(inputs))
        answer: Tensor = self.head(torch.cat(views, dim=1))
        return answer

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, num_classes), or features where there is no head; by the mean over the windows."""
        return self.fuse(inputs, self.frozen(inputs).mean(1))


def _remarks(request: NetworkRequest) -> tuple[str, ...]:
    """Why trained weights may know less of these recordings than of those they were made from."""
    regions, remarks = request.shape[0], []
    if regions != REGIONS:
        remarks.append(
            f"the weights were trained on the {REGIONS} regions of the atlas A424, and these "
            f"recordings have {regions} ({request.facts.get('atlas') or 'an atlas without a name'})"
        )
    if not request.facts.get("has_coordinates", False):
        remarks.append(
            "the weights place regions by their coordinates, which this task does not give; all "
            "stand in the origin"
        )
    return tuple(remarks)


class ConnectivityNetwork(nn.Module):
    """The 2D network over connectivity alone.

    Weights of an encoder of time series leave it as it is drawn, so that it can be compared with
    the methods that start from them.

    Attributes:
        connectivity: The network, its linear head included.
    """

    def __init__(self, request: NetworkRequest) -> None:
        super().__init__()
        tensors = request.weights()
        self.connectivity = Connectivity(request, request.num_classes)
        if is_brainlm(tensors):
            request.weights()  # taken, where the 2D network did not

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        head: nn.Module = self.connectivity.image_network.get_classifier()
        return head

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, num_classes), or pooled features where there is no head."""
        answer: Tensor = self.connectivity(inputs)
        return answer
