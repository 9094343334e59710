"""Exceptions of crossbench, and the search for the nearest name.

Every message names the thing, its value and the remedy. The command line prints a
:class:`CrossbenchError` without a traceback and exits with 2; inside a run it becomes a
``failed`` record and the other runs go on.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class CrossbenchError(Exception):
    """Base of every error that this package raises on purpose."""


class RequestError(CrossbenchError):
    """A request that names what does not exist or does not fit together."""


class CardError(CrossbenchError):
    """A malformed card or preset file; the message names file and key."""


class DataError(CrossbenchError):
    """A data file is damaged, or its content is not what its card says."""


class MissingDataError(DataError):
    """Data that is not on this machine; the message says how to get it."""


class FetchError(CrossbenchError):
    """Data that cannot be fetched; the message names address, answer and remedy."""


class SplitError(DataError):
    """The requested folds cannot be drawn from these labels and groups."""


class ConversionError(CrossbenchError):
    """A module without a 3D form; the message names the module."""


class WeightsError(CrossbenchError):
    """A checkpoint is missing, unreadable, or does not fit the network key by key."""


class StateError(CrossbenchError):
    """A method that changed state that all runs of a process share."""


class EvaluationError(CrossbenchError):
    """Predictions that cannot be scored; the message gives the reason."""


class StatisticsError(CrossbenchError):
    """Scores that cannot be compared: unpaired, missing, not finite, or too few."""


class RecordError(CrossbenchError):
    """A result file is damaged or of an unknown schema version."""


class BundleError(CrossbenchError):
    """A bundle that is damaged, hostile, or not what its manifest says."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> RequestError:
    """The error for a name that is not registered, with the nearest names as a hint.

    Args:
        kind: What was looked up, in the singular: ``"task"``, ``"method"``.
        name: The name that was asked for.
        known: The names that exist.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names) or 'none'}"
    )
    return RequestError(f"unknown {kind} {name!r}; {hint}")
