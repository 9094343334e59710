"""Connectivity by nilearn: against nilearn itself, and fitted to the training part alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossbench.data.inputs.connectivity import cut, fit_nilearn
from crossbench.errors import RequestError

DRAWN = np.random.default_rng(0).standard_normal((5, 4, 60))


@pytest.mark.parametrize(("kind", "name"), [("partial", "partial correlation"), ("tangent",) * 2])
def test_connectivity_is_nilearns(kind, name):
    connectome = pytest.importorskip("nilearn.connectome", reason="crossbench[fmri]")
    measure = connectome.ConnectivityMeasure(kind=name, standardize=True)
    found = fit_nilearn(kind, DRAWN[:3])(torch.from_numpy(DRAWN)).numpy()
    expected = measure.fit([each.T for each in DRAWN[:3]]).transform([each.T for each in DRAWN])
    off = ~np.eye(4, dtype=bool)
    expected = np.arctanh(expected[:, off]) if kind == "partial" else expected[:, off]
    np.testing.assert_allclose(found[:, off], expected, atol=1e-12)
    assert not found[:, ~off].any()


def test_a_recording_is_cut_at_its_end():
    padded = np.concatenate([DRAWN[0], np.zeros((4, 7))], axis=1)
    np.testing.assert_array_equal(cut(padded), DRAWN[0].T)


def test_without_nilearn_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nilearn.connectome", None)
    with pytest.raises(RequestError, match=r"'tangent' is computed by nilearn.*crossbench\[fmri\]"):
        fit_nilearn("tangent", DRAWN)
