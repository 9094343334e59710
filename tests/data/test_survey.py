from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbench.data.formats import npz
from crossbench.data.survey import Known, Memo, Survey, survey
from crossbench.data.watch import FileState, Watch
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


@pytest.fixture
def memo(tmp_path: Path) -> Memo:
    """Of a file that was last written to long ago."""
    file = tmp_path / "a.npz"
    with file.open("w+b") as stream:
        watch = Watch(file, stream)
    watch.state = FileState(*watch.state[:3], modified=1, changed=1)
    return Memo(watch, ("image", None), tmp_path / "cache")


def test_what_is_known_is_kept_under_the_state_and_the_form(memo: Memo) -> None:
    assert memo.recall() is None
    memo.keep(KNOWN)
    assert memo.recall() == KNOWN
    assert replace(memo, form=("volume", None)).recall() is None
    memo.watch.state = memo.watch.state._replace(size=1)
    assert memo.recall() is None


def test_a_file_that_was_just_written_to_is_not_remembered(memo: Memo) -> None:
    memo.keep(KNOWN)
    settled, memo.watch.state = memo.watch.state, memo.watch.now()
    assert memo.recall() is None
    memo.keep(KNOWN)
    assert not memo.place.exists()
    memo.watch.state = settled
    assert memo.recall() == KNOWN


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'"text"', b"{}", b'{"content_hash": 3}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_damaged_memo_is_not_believed(memo: Memo, damage: bytes) -> None:
    memo.keep(KNOWN)
    memo.place.write_bytes(damage)
    assert memo.recall() is None


def test_a_memo_without_a_whole_hash_is_not_believed(memo: Memo) -> None:
    memo.keep(replace(KNOWN, content_hash="ab"))
    assert memo.recall() is None
