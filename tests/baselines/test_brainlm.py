"""BrainLM's encoder against transformers' blocks, and its checkpoints key by key."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from crossbench.errors import WeightsError
from crossbench_baselines._brainlm import Block, BrainLM, Geometry, is_brainlm, read_brainlm

SMALL = Geometry(hidden=32, layers=2, heads=4, inner=64, reach=65, patch=20, positions=50)


def checkpoint(geometry: Geometry = SMALL) -> dict[str, torch.Tensor]:
    """The tensors of a published checkpoint, drawn: with a prefix, and a decoder beside them."""
    torch.manual_seed(0)
    state = BrainLM(geometry).state_dict()
    drawn = {
        f"vit.{key}": tensor if key.endswith("pe") else torch.randn_like(tensor) * 0.3
        for key, tensor in state.items()
    }
    return drawn | {"decoder.mask_token": torch.zeros(1, 1, 32)}


def test_a_block_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    layers = pytest.importorskip("transformers.models.nystromformer.modeling_nystromformer")
    config = transformers.NystromformerConfig(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_act="gelu",
        conv_kernel_size=65,
        num_landmarks=64,
        segment_means_seq_len=64,
        layer_norm_eps=1e-12,
    )
    torch.manual_seed(1)
    reference = layers.NystromformerLayer(config).eval()
    for tensor in reference.parameters():
        nn.init.normal_(tensor, std=0.3)
    block = Block(SMALL).eval()
    block.load_state_dict(reference.state_dict())  # the same names, each of them
    tokens = torch.randn(2, 101, 32)
    with torch.no_grad():
        assert torch.allclose(block(tokens), reference(tokens)[0], atol=1e-6, rtol=0)


def test_tokens_are_patches_of_regions_in_turn() -> None:
    network = read_brainlm(checkpoint()).eval()
    signals, places = torch.randn(2, 3, 200), torch.randn(2, 3, 3)
    embeddings = network.embeddings
    tokens = embeddings(signals, places)
    assert tokens.shape == (2, 1 + 3 * 10, 32)
    assert torch.equal(tokens[:, 0], embeddings.cls_token[0].expand(2, -1))
    region, patch = 2, 7
    expected = (
        embeddings.signal_embedding_projection(signals[:, region, 140:160])
        + embeddings.xyz_embedding_projection(places[:, region])
        + embeddings.pos_embedding.pe[patch]
    )
    assert torch.allclose(tokens[:, 1 + 10 * region + patch], expected, atol=1e-6)


def test_time_codes_are_sines_and_cosines_in_turn() -> None:
    codes = BrainLM(SMALL).embeddings.pos_embedding.pe
    rate = 10_000 ** (-2 / 32)
    place = torch.tensor(3.0)
    expected = [torch.sin(place), torch.cos(place), torch.sin(place * rate)]
    assert torch.allclose(codes[3, :3], torch.stack(expected))


def test_an_embedding_is_the_same_at_every_call() -> None:
    network = read_brainlm(checkpoint()).eval()
    signals, places = torch.randn(2, 5, 200), torch.randn(2, 5, 3)
    assert torch.equal(network(signals, places), network(signals, places))


def test_a_checkpoint_is_loaded_key_by_key() -> None:
    tensors = checkpoint()
    network = read_brainlm(tensors)
    state = network.state_dict()
    assert all(torch.equal(state[key], tensors[f"vit.{key}"]) for key in state)
    assert network.width == 32
    assert is_brainlm(tensors)
    assert not is_brainlm({"conv1.weight": torch.zeros(1)})
    assert not is_brainlm(None)


def test_the_usual_size_is_that_of_the_published_checkpoint() -> None:
    learnt = sum(tensor.numel() for tensor in BrainLM().parameters())
    assert learnt == 3_167_248


DAMAGED: list[tuple[dict[str, Any], str]] = [
    ({"vit.layernorm.bias": None}, "vit.layernorm.bias is missing; pass the checkpoint"),
    ({"vit.extra": torch.zeros(1)}, "vit.extra is unexpected"),
    ({"vit.layernorm.bias": torch.zeros(31)}, r"has shape \(31,\) instead of \(32,\)"),
    ({"vit.layernorm.bias": torch.full((32,), torch.nan)}, "holds NaN or infinite values"),
    ({"vit.layernorm.bias": torch.zeros(32, dtype=torch.int64)}, "holds torch.int64"),
    ({"vit.encoder.layer.0.attention.self.conv.weight": None}, "its sizes cannot be told"),
    (
        {"vit.embeddings.patch_embeddings.projection.weight": torch.zeros(1)},
        "it is a ViT-MAE .* pass a checkpoint of the smaller family, such as old_13M",
    ),
    (
        {"vit.embeddings.signal_embedding_projection.weight": None},
        "it is no encoder of BrainLM: vit.embeddings.signal_embedding_projection.weight is missing",
    ),
]


@pytest.mark.parametrize(("change", "message"), DAMAGED)
def test_what_does_not_fit_is_refused_in_words(change: dict[str, Any], message: str) -> None:
    tensors = {key: each for key, each in (checkpoint() | change).items() if each is not None}
    with pytest.raises(WeightsError, match=message):
        read_brainlm(tensors)
