"""Survey of a file's samples, kept on disk under the file's state.

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

    from crossbench.data.watch import Watch

_MEMO_VERSION = 2  # raise when a check is added or the canonical form changes
_NAMED = 5  # samples in a message


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranges:
    """Least and greatest values of each sample, in their stored dtype.

    Attributes:
        low: (N,); NaN where a sample has NaN voxels.
        high: (N,).
    """

    low: NDArray[Any]
    high: NDArray[Any]

    @property
    def nonfinite(self) -> NDArray[np.int64]:
        """Samples with NaN or infinite voxels."""
        return np.flatnonzero(~(np.isfinite(self.low) & np.isfinite(self.high)))

    @property
    def constant(self) -> NDArray[np.int64]:
        """Samples of one value only."""
        return np.flatnonzero(self.low == self.high)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest finite value of all; (0, 0) where there is none."""
        both = np.concatenate([self.low, self.high])
        both = both[np.isfinite(both)]
        return (float(both.min()), float(both.max())) if len(both) else (0.0, 0.0)


def ranges(images: NDArray[Any]) -> Ranges:
    """Ranges of (N, C, *spatial) samples of any real dtype, read in chunks."""
    axes = tuple(range(1, images.ndim))
    with np.errstate(invalid="ignore"):
        found = [(part.min(axis=axes), part.max(axis=axes)) for part in chunks(images)]
    lows, highs = zip(*found, strict=True)
    return Ranges(low=np.concatenate(lows), high=np.concatenate(highs))


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Range and constant samples of a file.

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
    def span(self) -> tuple[float, float]:
        """Least and greatest stored value."""
        return self.lowest, self.highest

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notes for readers of results."""
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
    found = ranges(images)
    if len(found.nonfinite):
        raise DataError(f"{where}: sample {found.nonfinite[0]} has NaN or infinite voxels")
    lowest, highest = found.span
    return Survey(
        lowest=lowest,
        highest=highest,
        constant=len(found.constant),
        first_constant=tuple(found.constant[:_NAMED].tolist()),
    )


# ------------------------------------------------------------------------------- the memo


@dataclass(frozen=True, kw_only=True)
class Known:
    """Content hash, survey and digests of a file.

    Attributes:
        content_hash: SHA-256 over the arrays as later stages see them.
        survey: What its images are like.
        digests: The file's own digests by algorithm.
    """

    content_hash: str
    survey: Survey
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Memo:
    """Cache entry of what is known of a file in its present state.

    While a further write to the file might go unnoticed, nothing is kept or believed.

    Attributes:
        watch: The file, open.
        form: How it is read, as far as that changes what later stages see.
        cache_dir: Folder of the cache.
    """

    watch: Watch
    form: tuple[Any, ...]
    cache_dir: Path

    @property
    def place(self) -> Path:
        """File of the entry; another one for another state of the file."""
        key = [_MEMO_VERSION, str(self.watch.file.resolve()), *self.watch.state, *self.form]
        return cache.entry(self.cache_dir / "checked", key, ".json")

    def recall(self) -> Known | None:
        """The entry; None where there is none, or none that can be believed."""
        return cache.load(self.place, _read) if self.watch.state.is_settled() else None

    def keep(self, known: Known) -> None:
        """Keep what is known."""
        if self.watch.state.is_settled():
            text = json.dumps(asdict(known))
            cache.keep(self.place, lambda draft: draft.write_text(text, encoding="utf-8"))


def _read(place: Path) -> Known | None:
    known = from_mapping(Known, json.loads(place.read_bytes()), where=str(place))
    return known if len(known.content_hash) == hashlib.sha256().digest_size * 2 else None
