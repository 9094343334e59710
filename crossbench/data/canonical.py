"""From arrays as people store them to the one shape every later stage sees.

Images come back as views: no copy, the stored dtype. Every error says where and what.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crossbench.data.inputs import InputKind

_MAX_ITEM_BYTES = 8  # extended precision has no counterpart on an accelerator


def canonical_images(
    kind: InputKind, images: NDArray[Any], *, where: str, axes: str | None = None, least: int = 2
) -> NDArray[Any]:
    """Stored samples as a (N, C, *spatial) view.

    Channels may be missing, second or last. The axes in space are in the kind's order unless
    ``axes`` names another; none is guessed from the lengths.

    Args:
        kind: What the samples are.
        images: Array of a real dtype of at most 64 bits.
        where: File that error messages name.
        axes: The stored order of the axes in space, such as ``WHD``.
        least: Smallest number of samples.

    Raises:
        DataError: If dtype, rank, channels or the number of samples do not fit.
    """
    if images.dtype.kind not in "biuf" or images.dtype.itemsize > _MAX_ITEM_BYTES:
        msg = f"{where}: images are {images.dtype}; they must be real numbers of at most 64 bits"
        raise DataError(msg)
    if images.ndim not in (kind.dims + 1, kind.dims + 2):
        msg = (
            f"{where}: images have shape {images.shape}; a {kind.dims}D task needs "
            f"({', '.join('N' + kind.axes)}), with channels second or last if there are any"
        )
        raise DataError(msg)
    if len(images) < least or images.size == 0:
        samples = "sample is" if least == 1 else "samples are"
        msg = f"{where}: images have shape {images.shape}; at least {least} {samples} needed"
        raise DataError(msg)
    if images.ndim == kind.dims + 2:
        images = _channels_second(images, kind.channels, where=where)
    else:
        images = images[:, None]
    if axes is None:
        return images
    if sorted(axes) != sorted(kind.axes):
        msg = f"{where}: axes = {axes!r} does not fit images of shape {images.shape} (N, C, ...)"
        raise DataError(f"{msg}; it must be the letters of {kind.axes!r}")
    return images.transpose(0, 1, *(2 + axes.index(letter) for letter in kind.axes))


def _channels_second(images: NDArray[Any], allowed: tuple[int, ...], *, where: str) -> NDArray[Any]:
    if images.shape[-1] in allowed:
        return np.moveaxis(images, -1, 1)
    if images.shape[1] in allowed:
        return images
    msg = (
        f"{where}: images have shape {images.shape}; the second or the last axis must hold"
        f" {' or '.join(map(str, allowed))} channels"
    )
    raise DataError(msg)


def canonical_labels(
    labels: NDArray[Any], *, samples: int, num_classes: int, where: str
) -> NDArray[np.int64]:
    """Labels (N,) or (N, 1) as (N,) int64 in [0, num_classes).

    Raises:
        DataError: If they are not one whole number a sample within the card's classes.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (samples,):
        msg = f"{where}: labels have shape {labels.shape}; {samples} images need ({samples},)"
        raise DataError(msg)
    if labels.dtype.kind not in "biuf":
        msg = f"{where}: labels are {labels.dtype}; they must be whole numbers"
        raise DataError(msg)
    # NaN fails every comparison, so it is caught by the second of these.
    for fits, fault in (
        (labels == np.floor(labels), "not a whole number"),
        (
            (labels >= 0) & (labels < num_classes),
            f"not in 0..{num_classes - 1}, the card's classes",
        ),
    ):
        if not fits.all():
            sample = int(np.argmin(fits))
            msg = f"{where}: the label of sample {sample} is {labels[sample]}, {fault}"
            raise DataError(msg)
    return labels.astype(np.int64)


def canonical_groups(
    groups: NDArray[Any], *, samples: int, where: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Group identifiers (N,) or (N, 1), whole numbers or strings, as int64 codes from 0.

    Strings that differ in white space, case or the form of their characters (Unicode NFKC) are one
    identifier: taken apart, the samples of one patient would come to both sides of a split.

    Returns:
        The codes, and what a reader of results should know of the identifiers.

    Raises:
        DataError: If there is not one identifier a sample.
    """
    if groups.ndim == 2 and groups.shape[1] == 1:
        groups = groups[:, 0]
    if groups.shape != (samples,) or groups.dtype.kind not in "iuSU":
        msg = (
            f"{where}: groups are {groups.dtype} of shape {groups.shape};"
            f" {samples} images need ({samples},) whole numbers or strings"
        )
        raise DataError(msg)
    spellings, codes = np.unique(groups, return_inverse=True)
    if groups.dtype.kind in "iu":
        return codes.astype(np.int64), ()
    names = [_text(spelling) for spelling in spellings.tolist()]
    plain, notes = fold_spellings(names, "groups")
    if "" in plain:
        empty = "some samples have an empty group identifier and are taken as one group"
        notes = (*notes, empty)
    _, joined = np.unique(plain, return_inverse=True)
    return joined[codes].astype(np.int64), notes


def fold_spellings(names: Sequence[str], what: str) -> tuple[list[str], tuple[str, ...]]:
    """The plain spelling of each identifier, and a note where several spellings are one.

    Args:
        names: Identifiers, each once.
        what: What the note calls them.
    """
    plain = [plain_spelling(name) for name in names]
    spelt: dict[str, list[str]] = defaultdict(list)
    for name, same in zip(names, plain, strict=True):
        spelt[same].append(name)
    several = [forms for forms in spelt.values() if len(forms) > 1]
    if not several:
        return plain, ()
    shown = " and ".join(map(repr, several[0][:3]))
    more = f" ({len(several)} such identifiers)" if len(several) > 1 else ""
    differ = "differ in white space, case or form alone and are taken as one"
    return plain, (f"{what} {shown} {differ}{more}",)


def plain_spelling(identifier: str) -> str:
    """An identifier in Unicode NFKC without case and superfluous white space."""
    return " ".join(unicodedata.normalize("NFKC", identifier).casefold().split())


def canonical_parts(parts: NDArray[Any], *, samples: int, where: str) -> NDArray[np.int8]:
    """Codes of an official split, (N,) whole numbers 0, 1 or 2, as int8.

    Raises:
        DataError: If there is not one code a sample.
    """
    if (
        parts.shape != (samples,)
        or parts.dtype.kind not in "iu"
        or not np.isin(parts, range(3)).all()
    ):
        msg = f"{where}: official is {parts.dtype} of shape {parts.shape}; {samples} samples need"
        raise DataError(f"{msg} ({samples},) codes: 0 train, 1 validation, 2 test")
    return parts.astype(np.int8)


def canonical_numbers(
    numbers: NDArray[Any], name: str, *, samples: int, where: str
) -> NDArray[np.float64]:
    """Finite numbers (N,), one a sample, as float64.

    Raises:
        DataError: If there is not one finite number a sample; the message names the array.
    """
    if numbers.shape != (samples,) or numbers.dtype.kind not in "biuf":
        msg = f"{where}: array {name!r} is {numbers.dtype} of shape {numbers.shape};"
        raise DataError(f"{msg} {samples} samples need ({samples},) numbers")
    finite = np.isfinite(numbers)
    if not finite.all():
        sample = int(np.argmin(finite))
        raise DataError(f"{where}: array {name!r} is {numbers[sample]} for sample {sample}")
    return numbers.astype(np.float64)


def group_names(groups: NDArray[Any]) -> tuple[str, ...]:
    """Identifiers of groups in the order of their codes, as :func:`canonical_groups` has these.

    Args:
        groups: (N,) or (N, 1) whole numbers or strings.
    """
    spellings = np.unique(groups).tolist()
    if groups.dtype.kind in "iu":
        return tuple(map(str, spellings))
    return tuple(sorted({plain_spelling(_text(spelling)) for spelling in spellings}))


def _text(identifier: str | bytes) -> str:
    return identifier if isinstance(identifier, str) else identifier.decode("latin-1")
