"""The random numbers of a run."""

from __future__ import annotations

import torch

from crossbench.data.transforms.batch import RandomSource


def test_a_seed_gives_the_same_numbers_and_another_seed_others():
    first, again, other = (RandomSource(seed, "cpu").uniform(5) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_noise_does_not_repeat_the_parameters_stream():
    random = RandomSource(3, "cpu")
    parameters = torch.rand(100, generator=random.cpu)
    noise = torch.rand(100, generator=random.device)
    assert not torch.isin(parameters, noise).any()
