from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbench.data.formats import npz
from crossbench.data.survey import Known, Survey, recall, remember, survey
from crossbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

WHERE = "folder/a.npz"
SURVEY = Survey(lowest=0.0, highest=2.5, constant=0, first_constant=())
KNOWN = Known(content_hash="ab" * 32, survey=SURVEY, digests={"md5": "0f"})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_names_the_first_sample_that_is_not_finite(
    value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "_CHUNK_BYTES", 3 * 4 * 4 * 4)
    images = np.zeros((10, 1, 4, 4), np.float32)
    survey(images, where=WHERE)
    images[[7, 9], 0, 2, 2] = value
    with pytest.raises(DataError, match=r"a\.npz: sample 7 has NaN or infinite voxels"):
        survey(images, where=WHERE)


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(code) for code in ("?", "u1", "i2", "<f4", "f8")]),
        st.tuples(*[st.integers(1, 6), st.integers(1, 3), *[st.integers(1, 3)] * 3]),
        elements={"allow_nan": False, "allow_infinity": False},
        fill=st.just(0),
    ),
    st.integers(1, 200),
)
def test_finds_the_range_and_the_samples_that_show_nothing(images: np.ndarray, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "_CHUNK_BYTES", size)
        found = survey(images.transpose(0, 1, 4, 3, 2), where=WHERE)
    blank = [index for index, sample in enumerate(images) if len(np.unique(sample)) == 1]
    assert (found.lowest, found.highest) == (images.min(), images.max())
    assert (found.constant, found.first_constant) == (len(blank), tuple(blank[:5]))


def test_says_which_samples_show_nothing() -> None:
    images = np.arange(32, dtype=np.uint8).reshape(8, 1, 2, 2)
    assert survey(images, where=WHERE).warnings == ()
    images[3] = 0
    (note,) = survey(images, where=WHERE).warnings
    assert note == "1 sample holds one value only, blank or constant: 3"
    images[1:] = 9
    (note,) = survey(images, where=WHERE).warnings
    assert note == "7 samples hold one value only, blank or constant: 1, 2, 3, 4, 5, ..."


def test_what_is_known_is_remembered(tmp_path: Path) -> None:
    memo = tmp_path / "checked" / "a.json"
    assert recall(memo) is None
    remember(memo, KNOWN)
    assert recall(memo) == KNOWN


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'"text"', b"{}", b'{"content_hash": 3}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_damaged_memo_is_not_believed(tmp_path: Path, damage: bytes) -> None:
    memo = tmp_path / "a.json"
    memo.write_bytes(damage)
    assert recall(memo) is None


def test_a_memo_without_a_whole_hash_is_not_believed(tmp_path: Path) -> None:
    remember(tmp_path / "a.json", Known(content_hash="ab", survey=SURVEY))
    assert recall(tmp_path / "a.json") is None
