"""Recordings: regions over time, or the connectivity between regions, one row a region.

A file holds ``images`` (N, R, T), where T is the longest recording's, and where some are shorter
``lengths`` (N,) or zeros in every region after their end; or (N, R, R) correlations alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from crossbench.data.inputs.connectivity import (
    FITTED,
    Correlation,
    count_volumes,
    cut,
    fit_nilearn,
)
from crossbench.data.inputs.interface import Example, InputKind
from crossbench.data.inputs.pixels import as_picture
from crossbench.data.inputs.planted import REGIONS, VOLUMES, draw_recordings
from crossbench.errors import CardError, DataError
from crossbench.specs.reader import check, from_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from crossbench.data.transforms import BatchTransform
    from crossbench.data.transforms.recording import Measure
    from crossbench.specs import InputSettings, Statistics, TaskCard
    from crossbench.specs.reader import Demand

_SHORTEST = 10  # volumes; fewer make no correlation
_COORDINATES = 3  # columns
_CHUNK = 32  # recordings
_NAMED = 5  # recordings in a message
_SYMMETRY = 1e-4
_QUARTILES = (25, 50, 75)


@dataclass(frozen=True, kw_only=True)
class RecordingOptions:
    """The table ``[input]`` of a card.

    Attributes:
        atlas: Name of the parcellation; recordings of two atlases are never of one task.
        tr: Seconds between volumes; unknown only of tasks without time series.
        views: What networks are fed: connectivity, time series or both.
        connectivity: Fisher's z of Pearson correlations; by nilearn, the z of partial correlations,
            or tangent space about the mean of the training part.
        window: Volumes that each recording must have at least; what networks cut is theirs.
        coordinates: MNI coordinates of each region in mm.
        phantom: Where the signal of the synthetic twin lies.
    """

    atlas: str
    tr: float | None = None
    views: tuple[Literal["connectivity", "timeseries"], ...] = ("connectivity", "timeseries")
    connectivity: Literal["correlation", "partial", "tangent"] = "correlation"
    window: int | None = None
    coordinates: tuple[tuple[float, float, float], ...] = ()
    phantom: Literal["both", "connectivity", "timeseries", "site", "none"] = "both"

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        yield "atlas", self.atlas.strip(), "name the parcellation"
        views = len(set(self.views)) == len(self.views) > 0
        yield "views", views, "it must name connectivity, timeseries or both, each once"
        known = self.tr is not None or "timeseries" not in self.views
        seconds = "say the seconds between volumes, without which time series mean nothing, or"
        yield "tr", known, f'{seconds} views = ["connectivity"]'
        yield "tr", self.tr is None or 0 < self.tr < 60, "it must be seconds between volumes"
        yield "window", self.window is None or self.window >= _SHORTEST, f"{_SHORTEST} or more"

    def alike(self, other: RecordingOptions) -> Iterator[Demand]:
        """What must hold for one network to be fed the recordings of two cards."""
        both = f"{self.atlas!r} and {other.atlas!r} have other regions: parcellate both by one"
        yield "atlas", self.atlas == other.atlas, both
        yield "views", set(self.views) == set(other.views), "say the same on both cards"
        same = self.connectivity == other.connectivity
        yield "connectivity", same, "say the same on both cards"
        series = "timeseries" in self.views or None in (self.tr, other.tr)
        rates = f"{self.tr} and {other.tr} seconds between volumes: resample one, or feed"
        rates = f'{rates} views = ["connectivity"] of time series'
        yield "tr", self.tr == other.tr or not series, rates
        places = self.coordinates == other.coordinates
        known = self.coordinates and other.coordinates
        yield "coordinates", places or not known, "regions lie elsewhere: correct one card"


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording(InputKind):
    """Fed as (1, R, 3 + R + T): coordinates, connectivity and time series, those that there are.

    Attributes:
        options: Those of the card; None before one is known.
        measure: What connectivity is.
        quartiles: (3, R) of each region's values over the training part, where these scale them.
    """

    options: RecordingOptions | None = None
    measure: Measure = field(default_factory=Correlation)
    quartiles: NDArray[np.float32] | None = None

    name = "recording"
    dims = 2
    axes = "RT"
    channels = (1,)
    channels_fed = 1
    extras = ("lengths",)
    tasks = "fMRI tasks"
    caption = "Correlations between regions, and regions over time from left to right."

    def configured(self, options: Mapping[str, Any], *, where: str) -> Recording:
        """The kind under a card's table ``[input]``, a :class:`RecordingOptions`."""
        where = f"{where}: [input]"
        found = from_mapping(RecordingOptions, options, where=where)
        check(found, where=where)
        return replace(self, options=found)

    @property
    def _asked(self) -> RecordingOptions:
        if self.options is None:
            raise CardError("a recording's card says under [input] what atlas it is of, and its tr")
        return self.options

    @property
    def _series(self) -> bool:
        return "timeseries" in self._asked.views

    def _matrices(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of a spatial shape are correlations and no time series."""
        return self._asked.tr is None and shape[0] == shape[1]

    def facts(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """Atlas, seconds between volumes, least volumes, and each view's columns (start, stop)."""
        asked, end = self._asked, _COORDINATES
        views = {"coordinates": (0, end)}
        if "connectivity" in asked.views:
            views["connectivity"] = (end, end := end + shape[0])
        if self._series:
            views["timeseries"] = (end, shape[1])
        known = {} if asked.tr is None else {"tr": asked.tr}
        return {
            "views": views,
            "atlas": asked.atlas,
            "has_coordinates": bool(asked.coordinates),
            "window": asked.window,
            **known,
        }

    def example(self) -> Example:
        """Both views of a recording as long as a phantom's, with coordinates."""
        places = ((0.0, 0.0, 0.0),) * REGIONS
        options = RecordingOptions(atlas="made up", tr=2.0, coordinates=places)
        shape = (REGIONS, _COORDINATES + REGIONS + VOLUMES)
        return Example(shape, replace(self, options=options).facts(shape))

    # ------------------------------------------------------------------------- what is stored

    def canonical(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        where: str,
        axes: str | None = None,
        least: int = 2,
    ) -> NDArray[Any]:
        """(N, 1, R, T), 0 after the end of each recording; or (N, 1, R, R) correlations."""
        images = arrays["images"]
        if images.ndim == 4 and images.shape[1] == 1:
            images = images[:, 0]
        if images.ndim != 3 or images.dtype.kind != "f" or len(images) < least:
            msg = f"{where}: images are {images.dtype} of shape {images.shape}; recordings need"
            raise DataError(f"{msg} (N, regions, volumes) floating point, N at least {least}")
        if axes == "TR":
            images = images.transpose(0, 2, 1)
        _check_finite(images, where)
        regions, coordinates = images.shape[1], self._asked.coordinates
        if coordinates and len(coordinates) != regions:
            msg = f"{where}: recordings have {regions} regions, but the card has"
            raise DataError(f"{msg} {len(coordinates)} coordinates; they are of another atlas")
        if self._matrices(images.shape[1:]):
            _check_correlations(images, where)
            return images[:, None]
        if self._asked.tr is None:
            msg = f"{where}: images have shape {images.shape}, which are no matrices of regions by"
            raise DataError(f"{msg} regions, and the card gives no tr, the seconds between volumes")
        if "lengths" in arrays:
            images = _ended(images, arrays["lengths"], where)
        self._check_lengths(images, where)
        return images[:, None]

    def _check_lengths(self, images: NDArray[Any], where: str) -> None:
        least = self._asked.window or _SHORTEST
        for place, recording in enumerate(images):
            volumes = count_volumes(recording)
            if volumes < least:
                msg = f"{where}: recording {place} has {volumes} volumes, fewer than {least}"
                which = "the card's window" if self._asked.window else "make any connectivity"
                raise DataError(f"{msg} ({which}); leave it out, or correct the card")

    def joined(
        self, images: NDArray[Any], other: Self, others: NDArray[Any], *, where: str
    ) -> NDArray[Any]:
        """Recordings of one atlas, 0 after the ends of those that are shorter than the longest.

        Seconds between volumes may differ where connectivity is all that is fed.
        """
        for key, holds, remedy in self._asked.alike(other._asked):
            if not holds:
                msg = f"{where}: the cards of the two tasks differ in input.{key}"
                raise DataError(f"{msg}; {remedy}")
        if images.shape[2] != others.shape[2]:
            msg = f"{where}: recordings to test have {images.shape[2]} regions, and those to fit"
            raise DataError(f"{msg} {others.shape[2]}; parcellate both alike")
        if self._matrices(images.shape[2:]):
            return super().joined(images, other, others, where=where)
        self._check_lengths(others[:, 0], f"{where}: of those to fit")
        longest = max(images.shape[3], others.shape[3])
        return np.concatenate([_padded(each, longest) for each in (images, others)])

    def doubts(self, images: NDArray[Any]) -> tuple[str, ...]:
        """A warning of recordings with a region that never varies."""
        if self._matrices(images.shape[2:]):
            return ()
        flat = [place for place, (recording,) in enumerate(images) if _constant(recording)]
        if not flat:
            return ()
        which = ", ".join(map(str, flat[:_NAMED])) + (", ..." if len(flat) > _NAMED else "")
        msg = f"{len(flat)} recordings have a region that never varies: {which}"
        return (f"{msg}; its connectivity is taken as 0",)

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Recordings whose class lies where the card's option ``phantom`` says."""
        arrays = draw_recordings(card, self._asked.phantom)
        if self._asked.tr is None:
            arrays["images"] = np.stack([np.corrcoef(each) for each in arrays["images"]])
        return arrays

    # ---------------------------------------------------------------------------- what is fed

    def learns(self, settings: InputSettings) -> bool:
        """Whether connectivity is fitted, or regions are scaled by more than their recording."""
        scaled = self._series and settings.scaling != "sample"
        return scaled or self._asked.connectivity in FITTED

    def fitted(
        self, images: NDArray[Any], train: NDArray[np.int64], settings: InputSettings
    ) -> Recording:
        """With quartiles of regions over the training part, and connectivity fitted to it."""
        kind, asked = self, self._asked
        if self._matrices(images.shape[2:]):
            return kind
        if "connectivity" in asked.views and asked.connectivity != "correlation":
            recordings = [recording for (recording,) in images[train]]
            kind = replace(kind, measure=fit_nilearn(asked.connectivity, recordings))
        if self._series and settings.scaling != "sample":
            volumes = np.concatenate([cut(recording) for (recording,) in images[train]])
            quartiles = np.percentile(volumes, _QUARTILES, axis=0).astype(np.float32)
            kind = replace(kind, quartiles=quartiles)
        return kind

    def fed_shape(
        self,
        card: TaskCard,  # noqa: ARG002
        sample_shape: tuple[int, ...],
        settings: InputSettings,  # noqa: ARG002
    ) -> tuple[int, ...]:
        """A row a region: coordinates, connectivity and the time series, as they are stored."""
        regions, volumes = sample_shape
        connectivity = regions if "connectivity" in self._asked.views else 0
        return regions, _COORDINATES + connectivity + (volumes if self._series else 0)

    def statistics(self, method: str, settings: InputSettings) -> Statistics | None:  # noqa: ARG002
        """Those that change nothing: recordings have no channels."""
        return "unit"

    def transforms(
        self,
        shape: tuple[int, ...],
        *,
        value_range: tuple[float, float] | None,  # noqa: ARG002
        statistics: Statistics,  # noqa: ARG002
        settings: InputSettings,  # noqa: ARG002
    ) -> tuple[BatchTransform, BatchTransform]:
        """The same for training and evaluation: nothing is augmented."""
        from crossbench.data.transforms.recording import RecordingTransform

        asked = self._asked
        places = np.array(asked.coordinates or [(0.0,) * _COORDINATES] * shape[0], np.float32)
        transform = RecordingTransform(
            coordinates=places,
            measure=self.measure if "connectivity" in asked.views else None,
            series=self._series,
            stored=asked.tr is None,
            quartiles=self.quartiles,
        )
        return transform, transform

    # ----------------------------------------------------------------- baselines and pictures

    def features(self, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Connectivity of each pair of regions; where that is no view, each region's persistence.

        That is the correlation of its values with the next volume's.
        """
        if "connectivity" not in self._asked.views:
            return np.array([_persistence(recording) for (recording,) in images[index]])
        regions = images.shape[2]
        above = np.triu_indices(regions, 1)
        chunks = [index[start : start + _CHUNK] for start in range(0, len(index), _CHUNK)]
        return np.concatenate([self._connectivity(images[chunk])[:, *above] for chunk in chunks])

    def _connectivity(self, batch: NDArray[Any]) -> NDArray[np.float64]:
        """(B, R, R), 0 on the diagonal."""
        import torch

        from crossbench.data.transforms.recording import fisher_z

        samples = torch.from_numpy(np.ascontiguousarray(batch[:, 0]))
        stored = self._matrices(batch.shape[2:])
        found = fisher_z(samples.double()) if stored else self.measure(samples)
        values: NDArray[np.float64] = found.double().numpy()
        return values

    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """The correlations, and each region over time."""
        (recording,) = sample
        if self._matrices(recording.shape):
            return [as_picture(recording[None], -1, 1)]
        spread = recording.std(axis=1, keepdims=True)
        scaled = (recording - recording.mean(axis=1, keepdims=True)) / np.where(
            spread > 0, spread, 1
        )
        matrix = np.tanh(self._connectivity(sample[None])[0])
        return [as_picture(matrix[None], -1, 1), as_picture(scaled[None], -3, 3)]


def _constant(recording: NDArray[Any]) -> bool:
    """Whether a region never varies before the end of the recording."""
    return bool((np.ptp(recording[:, : count_volumes(recording)], axis=1) == 0).any())


def _persistence(recording: NDArray[Any]) -> NDArray[np.float64]:
    """(R,) correlation of each region with itself one volume later; 0 where it is constant."""
    values = cut(recording)
    centred = values - values.mean(axis=0)
    power = (centred**2).sum(axis=0)
    found: NDArray[np.float64] = (centred[1:] * centred[:-1]).sum(axis=0) / np.where(
        power, power, 1
    )
    return found


def _ended(images: NDArray[Any], lengths: NDArray[Any], where: str) -> NDArray[Any]:
    """Recordings with 0 after their ends."""
    longest = images.shape[2]
    whole = lengths.shape == (len(images),) and lengths.dtype.kind in "iu"
    if not whole or lengths.min() < 1 or lengths.max() > longest:
        msg = f"{where}: lengths must be one whole number from 1 to {longest} a recording"
        raise DataError(f"{msg}; they are {lengths.dtype} of shape {lengths.shape}")
    there = np.arange(longest) < lengths[:, None]
    return images if there.all() else np.where(there[:, None], images, images.dtype.type(0))


def _padded(images: NDArray[Any], volumes: int) -> NDArray[Any]:
    """(N, 1, R, volumes), 0 behind."""
    return np.pad(images, [(0, 0)] * 3 + [(0, volumes - images.shape[3])])


def _check_finite(images: NDArray[Any], where: str) -> None:
    for place, recording in enumerate(images):
        finite = np.isfinite(recording).all(axis=1)
        if not finite.all():
            msg = f"{where}: recording {place} has values that are no numbers in region"
            raise DataError(f"{msg} {int(np.argmin(finite))}; leave it out, or mend it")


def _check_correlations(images: NDArray[Any], where: str) -> None:
    for place, matrix in enumerate(images):
        if np.abs(matrix - matrix.T).max() > _SYMMETRY or np.abs(matrix).max() > 1 + _SYMMETRY:
            msg = f"{where}: matrix {place} is none of correlations: it must be symmetric, from -1"
            raise DataError(
                f"{msg} to 1; give the card tr, in seconds, where these are time series"
            )
