"""Site of acquisition and covariates of samples, from the arrays of a data file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.canonical import fold_spellings
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Arrays of a data file that are read here.
ARRAYS = ("site", "covariates", "covariate_names")


@dataclass(frozen=True, kw_only=True, eq=False)
class Covariates:
    """Site and covariates of each sample, where a file has them.

    Attributes:
        site: (N,) unicode names.
        values: (N, C) float64, NaN where unknown.
        names: C names of the covariates.
        notes: What a reader of results should know of the names of sites.
    """

    site: NDArray[np.str_] | None = None
    values: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def canonical_covariates(
    arrays: Mapping[str, NDArray[Any]], *, samples: int, where: str
) -> Covariates:
    """The site and covariates among a file's arrays, checked.

    Sites that differ in white space, case or the form of their characters (Unicode NFKC) are one.

    Args:
        arrays: Those of :data:`ARRAYS` that the file has.
        samples: N.
        where: File that error messages name.

    Raises:
        DataError: If a length is not N or C, a name is empty or there twice, a value infinite, or
            there are values without names, or names without values.
    """
    site, notes = _sites(arrays["site"], samples, where) if "site" in arrays else (None, ())
    given = [name for name in ARRAYS[1:] if name in arrays]
    if len(given) == 1:
        msg = f"{where}: array {given[0]!r} is there without"
        raise DataError(f"{msg} {(set(ARRAYS[1:]) - set(given)).pop()!r}; save both or neither")
    if not given:
        return Covariates(site=site, notes=notes)
    names = _names(arrays["covariate_names"], where)
    values = _values(arrays["covariates"], names, samples, where)
    return Covariates(site=site, values=values, names=names, notes=notes)


def _sites(
    site: NDArray[Any], samples: int, where: str
) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    if site.shape != (samples,) or site.dtype.kind != "U":
        msg = f"{where}: array 'site' is {site.dtype} of shape {site.shape}"
        raise DataError(f"{msg}; {samples} samples need ({samples},) strings")
    spellings, codes = np.unique(site, return_inverse=True)
    plain, notes = fold_spellings(spellings.tolist(), "sites")
    first: dict[str, str] = {}
    for name, same in zip(spellings.tolist(), plain, strict=True):
        first.setdefault(same, " ".join(name.split()))
    named = np.array([first[same] for same in plain], np.str_)[codes]
    if "" in first:
        msg = f"{where}: the site of sample {int(np.argmax(np.array(plain)[codes] == ''))} is empty"
        raise DataError(f"{msg}; name it, or leave 'site' out")
    return named, notes


def _names(names: NDArray[Any], where: str) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U" or not len(names):
        msg = f"{where}: array 'covariate_names' is {names.dtype} of shape {names.shape}"
        raise DataError(f"{msg}; it must be (C,) strings, one a column of 'covariates'")
    found = [name.strip() for name in names.tolist()]
    if "" in found:
        msg = f"{where}: covariate {found.index('')} has an empty name in 'covariate_names'"
        raise DataError(f"{msg}; name it, or leave its column out")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        msg = f"{where}: 'covariate_names' has {twice[0]!r} twice; names tell columns apart"
        raise DataError(f"{msg}, so give each its own")
    return tuple(found)


def _values(
    values: NDArray[Any], names: tuple[str, ...], samples: int, where: str
) -> NDArray[np.float64]:
    if values.shape != (samples, len(names)) or values.dtype.kind not in "biuf":
        msg = f"{where}: array 'covariates' is {values.dtype} of shape {values.shape}; {samples}"
        msg = f"{msg} samples and {len(names)} names need ({samples}, {len(names)}) numbers"
        raise DataError(msg)
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        sample, column = infinite[0].tolist()
        msg = f"{where}: covariate {names[column]!r} of sample {sample} is {values[sample, column]}"
        raise DataError(f"{msg}; store NaN where it is unknown")
    # One NaN for all, so that the content hash does not depend on how a program spells it.
    return np.where(np.isnan(values), np.nan, values).astype(np.float64)
