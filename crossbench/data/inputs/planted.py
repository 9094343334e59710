"""Phantoms of recordings: noise with the class planted in one place, or in none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

REGIONS, VOLUMES = 20, 240  # the longest recording's
_RECORDINGS, _SHORTER = 120, 30
_SITES = 2
_BURN = 50  # volumes before a recording begins
_PERSISTENCE = 0.4  # correlation of a region with its next volume
_COUPLING, _COUPLED = 0.75, 0.12  # of a pair with its common course, and how much it differs
_LASTING = 0.1  # by which persistence differs
_NOISE = 0.6  # standard deviation of a scanner's own
_HALF = 0.6  # of either, where the class lies in both
_WITHIN = 0.1  # standard deviation of persistence and coupling between recordings of one class


def draw_recordings(card: TaskCard, where: str) -> dict[str, NDArray[Any]]:
    """Recordings of 20 regions, 210 to 240 volumes long, at two sites.

    Regions are first-order autoregressive; neighbours share a course. A class changes how much
    they share of it (``connectivity``), or how long values last (``timeseries``), which leaves
    correlations between regions as they are, or both, each less. ``site`` makes one site's
    noise, and most of the second class, and nothing else of the class. The classes alternate, from
    the strongest down.

    Args:
        card: The task.
        where: ``connectivity``, ``timeseries``, ``both``, ``site`` or ``none``.

    Returns:
        ``images`` (N, R, T) float32, ``lengths``, ``labels``, ``groups`` and ``site``.
    """
    rng = np.random.default_rng(sum(card.name.encode()))
    labels = np.arange(_RECORDINGS) % len(card.classes)
    sites = rng.integers(0, _SITES, _RECORDINGS)
    if where == "site":
        sites = np.where(rng.random(_RECORDINGS) < 0.9, labels % _SITES, 1 - labels % _SITES)
    strength = 2 * labels / (len(card.classes) - 1) - 1  # from -1 to 1
    size = _HALF if where == "both" else 1.0
    coupled = strength * size * _COUPLED * (where in ("both", "connectivity"))
    lasting = strength * size * _LASTING * (where in ("both", "timeseries"))
    lengths = rng.integers(VOLUMES - _SHORTER, VOLUMES + 1, _RECORDINGS)
    images = np.zeros((_RECORDINGS, REGIONS, VOLUMES), np.float32)
    for place, length in enumerate(lengths.tolist()):
        own = rng.normal(0, _WITHIN, 2)
        images[place, :, :length] = _recording(
            rng,
            persistence=np.clip(_PERSISTENCE + lasting[place] + own[0], 0, 0.9),
            coupling=np.clip(_COUPLING + coupled[place] + own[1], 0.1, 2.0),
            volumes=length,
        )
        if where == "site" and sites[place]:
            images[place, :, :length] += _common(rng, length)
    return {
        "images": images,
        "lengths": lengths,
        "labels": labels,
        "groups": np.arange(_RECORDINGS),
        "site": np.array([f"site-{site + 1}" for site in sites]),
    }


def _recording(
    rng: np.random.Generator, *, persistence: float, coupling: float, volumes: int
) -> NDArray[np.float64]:
    """(R, T) autoregressive courses, those of neighbours partly one.

    All courses last equally long, so that correlations between regions do not tell how long.
    """
    drawn = rng.standard_normal((REGIONS + REGIONS // 2, _BURN + volumes))
    courses = np.zeros_like(drawn)
    for volume in range(1, drawn.shape[1]):
        courses[:, volume] = persistence * courses[:, volume - 1] + drawn[:, volume]
    courses = courses[:, _BURN:] * np.sqrt(1 - persistence**2)
    own, shared = courses[:REGIONS], courses[REGIONS:]
    found: NDArray[np.float64] = own + coupling * np.repeat(shared, 2, axis=0)
    return found


def _common(rng: np.random.Generator, volumes: int) -> NDArray[np.float64]:
    """(1, T) noise of a scanner, the same in every region."""
    noise: NDArray[np.float64] = rng.standard_normal((1, volumes))
    return _NOISE * noise
