"""BrainLM's encoder of parcel time series in plain torch, and its checkpoints key by key.

Ortega Caro et al., "BrainLM: A foundation model for brain activity recordings" (ICLR 2024). Of
its two families the smaller is here, a masked autoencoder over patches of 20 volumes; its blocks
are Nystromformer's with full attention, which is how they were trained. Tensors have the names of
the published checkpoints, so that nothing has to be converted.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Volumes that a checkpoint was trained on at a time.
WINDOW = 200

#: Regions of the atlas A424, on which BrainLM was trained.
REGIONS = 424

_PREFIX, _DECODER = "vit.", "decoder."
_SIGNAL = "embeddings.signal_embedding_projection.weight"
_DRAWN = 0.02  # standard deviation of drawn weights, as BrainLM's
_EPSILON = 1e-12  # of its layer norms
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.")


class Geometry(NamedTuple):
    """Sizes of an encoder; the usual ones are those of the checkpoint of 3.2 million parameters.

    Attributes:
        hidden: Width.
        layers: Number of blocks.
        heads: Attention heads.
        inner: Width of the blocks' perceptrons.
        reach: Tokens that the convolution along the sequence reaches.
        patch: Volumes a token.
        positions: Patches that have a code.
    """

    hidden: int = 256
    layers: int = 4
    heads: int = 4
    inner: int = 1024
    reach: int = 65
    patch: int = 20
    positions: int = 5000


_USUAL = Geometry()


class BrainLM(nn.Module):
    """The encoder: one token for each region and patch, region by region, and the class token."""

    def __init__(self, geometry: Geometry = _USUAL) -> None:
        super().__init__()
        self.embeddings = _Embeddings(geometry)
        self.encoder = _Blocks(geometry)
        self.layernorm = nn.LayerNorm(geometry.hidden, eps=_EPSILON)
        self.draw()

    @property
    def width(self) -> int:
        """Numbers of an embedding."""
        return self.layernorm.normalized_shape[0]

    def draw(self) -> None:
        """Draw the weights: normal ones of standard deviation 0.02, as BrainLM began with."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(module.weight, std=_DRAWN)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.embeddings.cls_token, std=_DRAWN)

    def forward(self, signals: Tensor, places: Tensor) -> Tensor:
        """The embedding of a window: what becomes of the class token.

        Tokens stand in fixed order: the published code shuffles them with fresh noise at each
        call, and a convolution along the sequence makes the embedding depend on the order.

        Args:
            signals: (B, R, T) time series of about unit variance; T a multiple of the patch.
            places: (B, R, 3) coordinates of the regions in mm.

        Returns:
            (B, hidden).
        """
        tokens = self.encoder(self.embeddings(signals, places))
        normal: Tensor = self.layernorm(tokens[:, 0])
        return normal


def read_brainlm(tensors: Mapping[str, Tensor]) -> BrainLM:
    """The encoder of a checkpoint, every key accounted for; its decoder is left out.

    Raises:
        WeightsError: If it is none of BrainLM's smaller family, or does not fit key by key.
    """
    own = {
        key.removeprefix(_PREFIX): tensor
        for key, tensor in tensors.items()
        if not key.startswith(_DECODER)
    }
    network = BrainLM(_geometry(own))
    wanted = network.state_dict()
    _check(own, wanted)
    if not network.layernorm.weight.is_meta:  # which has no numbers to be replaced
        network.load_state_dict(own)
    return network


def is_brainlm(tensors: Mapping[str, Tensor] | None) -> bool:
    """Whether a checkpoint is of an encoder of recordings, whichever family it is of."""
    return any(f"{_PREFIX}{_SIGNAL}".endswith(key) or _is_image(key) for key in tensors or ())


# ------------------------------------------------------------------------- a checkpoint's keys


def _is_image(key: str) -> bool:
    return key.startswith(f"{_PREFIX}embeddings.patch_embeddings.")


def _geometry(tensors: Mapping[str, Tensor]) -> Geometry:
    if any(_is_image(f"{_PREFIX}{key}") for key in tensors):
        raise WeightsError(
            "it is a ViT-MAE (such as BrainLM's vitmae_111M and vitmae_650M), which takes "
            "recordings for images; pass a checkpoint of the smaller family, such as old_13M"
        )
    if _SIGNAL not in tensors:
        known = ", ".join(sorted(tensors)[:3])
        raise WeightsError(
            f"it is no encoder of BrainLM: {_PREFIX}{_SIGNAL} is missing, and it has {known}, ...; "
            "pass a checkpoint such as old_13M's pytorch_model.bin"
        )
    layers = {int(found[1]) for key in tensors if (found := _LAYER.match(key))}
    first = "encoder.layer.0"
    try:
        hidden, patch = tensors[_SIGNAL].shape
        heads, _, reach, _ = tensors[f"{first}.attention.self.conv.weight"].shape
        inner, _ = tensors[f"{first}.intermediate.dense.weight"].shape
        positions, _ = tensors["embeddings.pos_embedding.pe"].shape
    except (KeyError, ValueError) as error:
        msg = f"its sizes cannot be told ({error}); the checkpoint is not whole"
        raise WeightsError(msg) from error
    return Geometry(hidden, len(layers), heads, inner, reach, patch, positions)


def _check(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint that leaves a tensor out, or has one too many or of another kind."""
    shape = {
        key: f"{key} has shape {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted.keys() & found.keys()
        if found[key].shape != wanted[key].shape
    }
    unsound = [
        f"{key} holds {'NaN or infinite values' if tensor.is_floating_point() else tensor.dtype}"
        for key, tensor in found.items()
        if not tensor.is_floating_point() or not tensor.isfinite().all()
    ]
    faults = [
        *(f"{_PREFIX}{key} is missing" for key in sorted(wanted.keys() - found.keys())),
        *(f"{_PREFIX}{key} is unexpected" for key in sorted(found.keys() - wanted.keys())),
        *(shape[key] for key in sorted(shape)),
        *unsound,
    ]
    if faults:
        msg = f"it does not fit BrainLM's encoder key by key: {faults[0]}"
        more = f" (and {len(faults) - 1} more)" if faults[1:] else ""
        raise WeightsError(f"{msg}{more}; pass the checkpoint as it was published")


# --------------------------------------------------------------------------------- its modules


class _Embeddings(nn.Module):
    """Tokens: the patch, the place of its region and the code of its time; a class token first."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.patch = geometry.patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, geometry.hidden))
        self.signal_embedding_projection = nn.Linear(geometry.patch, geometry.hidden)
        self.xyz_embedding_projection = nn.Linear(3, geometry.hidden)
        self.pos_embedding = _Times(geometry)

    def forward(self, signals: Tensor, places: Tensor) -> Tensor:
        """(B, R, T) and (B, R, 3) to (B, 1 + R T / patch, hidden)."""
        patches = signals.reshape(*signals.shape[:2], -1, self.patch)
        tokens = self.signal_embedding_projection(patches)
        tokens = tokens + self.xyz_embedding_projection(places).unsqueeze(2)
        tokens = (tokens + self.pos_embedding.pe[: patches.shape[2]]).flatten(1, 2)
        return torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)


class _Times(nn.Module):
    """Sinusoidal codes of the patches' order; a checkpoint has them as a tensor."""

    pe: Tensor

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        places = torch.arange(geometry.positions).unsqueeze(1)
        rates = torch.exp(
            torch.arange(0, geometry.hidden, 2) * (-math.log(10_000) / geometry.hidden)
        )
        codes = torch.stack([torch.sin(places * rates), torch.cos(places * rates)], dim=2)
        self.register_buffer("pe", codes.flatten(1))


class _Blocks(nn.Module):
    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(geometry) for _ in range(geometry.layers))

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.layer:
            tokens = block(tokens)
        return tokens


class Block(nn.Module):
    """A block of Nystromformer with full attention: each part's sum with its input normalised."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.attention = _Attention(geometry)
        self.intermediate = _Dense(geometry.hidden, geometry.inner)
        self.output = _Added(geometry.inner, geometry.hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, S, hidden) to the same."""
        tokens = self.attention(tokens)
        inner = functional.gelu(self.intermediate.dense(tokens))
        added: Tensor = self.output(inner, tokens)
        return added


class _Attention(nn.Module):
    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.self = _Heads(geometry)
        self.output = _Added(geometry.hidden, geometry.hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        added: Tensor = self.output(self.self(tokens), tokens)
        return added


class _Heads(nn.Module):
    """Attention, and beside it a convolution of the values along the sequence, one a head."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        hidden, self.heads, reach = geometry.hidden, geometry.heads, geometry.reach
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.conv = nn.Conv2d(
            self.heads,
            self.heads,
            (reach, 1),
            padding=(reach // 2, 0),
            groups=self.heads,
            bias=False,
        )

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            layer(tokens).view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed: Tensor = functional.scaled_dot_product_attention(query, key, value)
        mixed = mixed + self.conv(value)
        return mixed.transpose(1, 2).flatten(2)


class _Dense(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(into, out)


class _Added(nn.Module):
    """A linear layer whose output is added to a residual and normalised."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(into, out)
        self.LayerNorm = nn.LayerNorm(out, eps=_EPSILON)

    def forward(self, tokens: Tensor, residual: Tensor) -> Tensor:
        normal: Tensor = self.LayerNorm(self.dense(tokens) + residual)
        return normal
