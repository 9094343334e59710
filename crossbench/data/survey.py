"""What reading a file's arrays once tells of them, and the memory of it.

A file is read whole when it is first opened: its images are searched for voxels that are no
numbers and samples that show nothing, and everything is hashed. The result is kept under the
file's state, so that a file of many gigabytes is read through once and not at every command.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.npz import chunks
from crossbench.errors import DataError
from crossbench.files import cache
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.watch import FileState

_MEMO_VERSION = 2  # raise when a check is added or the canonical form changes
_NAMED = 5  # samples in a message


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a pass over all samples finds.

    Attributes:
        lowest: Least stored value.
        highest: Greatest stored value.
        constant: How many samples hold one value only.
        first_constant: Indices of the first of these.
    """

    lowest: float
    highest: float
    constant: int
    first_constant: tuple[int, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of results should know."""
        if not self.constant:
            return ()
        more = ", ..." if self.constant > len(self.first_constant) else ""
        which = ", ".join(map(str, self.first_constant)) + more
        plural = "sample holds" if self.constant == 1 else "samples hold"
        return (f"{self.constant} {plural} one value only, blank or constant: {which}",)


def survey(images: NDArray[Any], *, where: str) -> Survey:
    """Look at every sample once, a chunk at a time; nothing is copied but views that are turned.

    Args:
        images: (N, C, *spatial) of any real dtype.
        where: File that error messages name.

    Raises:
        DataError: Naming the first sample that has NaN or infinite voxels.
    """
    lows, highs = zip(*map(_ranges, chunks(images)), strict=True)
    low, high = np.concatenate(lows), np.concatenate(highs)
    finite = np.isfinite(low) & np.isfinite(high)  # NaN is passed on by both
    if not finite.all():
        msg = f"{where}: sample {int(np.argmin(finite))} has NaN or infinite voxels"
        raise DataError(msg)
    constant = np.flatnonzero(low == high)
    return Survey(
        lowest=float(low.min()),
        highest=float(high.max()),
        constant=len(constant),
        first_constant=tuple(constant[:_NAMED].tolist()),
    )


def _ranges(chunk: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(n,) least and greatest values of the samples of a chunk."""
    axes = tuple(range(1, chunk.ndim))
    with np.errstate(invalid="ignore"):
        return chunk.min(axis=axes), chunk.max(axis=axes)


# ------------------------------------------------------------------------------- the memo


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is remembered of a file.

    Attributes:
        content_hash: SHA-256 over the arrays as later stages see them.
        survey: What its images are like.
        digests: The file's own digests by algorithm.
    """

    content_hash: str
    survey: Survey
    digests: dict[str, str] = field(default_factory=dict)


def memo_file(file: Path, state: FileState, form: list[Any], cache_dir: Path) -> Path:
    """Where what is known of a file in this state is kept.

    Args:
        file: The file.
        state: Its state; another one is another place.
        form: How it is read, as far as that changes what later stages see.
        cache_dir: Folder of the cache.
    """
    key = [_MEMO_VERSION, str(file.resolve()), *state, *form]
    return cache.entry(cache_dir / "checked", key, ".json")


def recall(memo: Path) -> Known | None:
    """What is remembered; None if there is nothing, or nothing that can be believed."""
    return cache.load(memo, _read)


def _read(memo: Path) -> Known | None:
    known = from_mapping(Known, json.loads(memo.read_bytes()), where=str(memo))
    return known if len(known.content_hash) == hashlib.sha256().digest_size * 2 else None


def remember(memo: Path, known: Known) -> None:
    """Keep what is known."""
    cache.keep(memo, lambda draft: draft.write_text(json.dumps(asdict(known)), encoding="utf-8"))
