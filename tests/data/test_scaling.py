from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbench.data import scaling
from crossbench.data.scaling import value_range

volumes = hnp.arrays(np.int16, st.tuples(st.integers(2, 9), st.just(1), st.just(2), st.just(3)))


@given(volumes)
def test_global_looks_at_every_sample_and_train_at_its_own(images: np.ndarray) -> None:
    train = np.array([0, len(images) - 1])
    assert value_range(images, "global", train) == (images.min(), images.max())
    assert value_range(images, "train", train) == (images[train].min(), images[train].max())
    assert value_range(images, "sample", train) is None


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).normal(size=(50, 1, 4, 4))
    whole = value_range(images, "global", np.arange(50))
    monkeypatch.setattr(scaling, "_CHUNK_BYTES", 300)
    assert value_range(images, "global", np.arange(50)) == whole
