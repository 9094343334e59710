"""RPN-signature: parcellated resting-state recordings of healthy adults at three sites.

A clone of github.com/spisakt/RPN-signature: ``data/bochum-sample/bochum_sample.csv``, and beside it
``regional_timeseries/bochum-004_pumi-0.tsv`` and ``framewise_displacement/FD_bochum-004_*.txt``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import words
from crossbench.errors import DataError, RequestError
from crossbench.files.hashing import hash_file
from crossbench_tasks.importers._files import find, read_csv, walk
from crossbench_tasks.importers._series import check_regions, check_series, read_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_SITES = ("bochum", "essen", "szeged")
_REFERENCE = "bochum"  # whose mean and deviation thresholds are scored by
_GLOBAL = "GlobSig"  # the mean over the brain, which stands among the regions
_NAME = re.compile(r"(?:ts_)?((?:bochum|essen|szeged)-\d{3})_.*\.tsv")
_COLDEST = -0.1  # deg C, which colder thresholds than 0 become, as in the authors' scripts


@dataclass(frozen=True, kw_only=True, eq=False)
class _Site:
    """The table of a site, one value a subject; NaN where unknown.

    Attributes:
        names: Subjects, such as ``bochum-004``.
        male: 1 male, 0 female.
        age: Years.
        thresholds: (3, n) of cold and heat pain in deg C, and the log of that of mechanical pain.
    """

    names: list[str]
    male: NDArray[np.float64]
    age: NDArray[np.float64]
    thresholds: NDArray[np.float64]


class RpnSignature(Importer):
    """Subjects with a recording and a label, which is their sex or their sensitivity to pain.

    Option ``label`` is ``sex`` or ``pain``: whether sensitivity is above the site's median. It is
    the composite of cold, heat and mechanical pain thresholds of Zunhammer et al. (2016,
    doi:10.1097/j.pain.0000000000000634), by the mean and deviation at Bochum, as in the
    repository's ``PAINTeR/qst.py``.

    A subject whose file equals that of an earlier one is left out: two people have no recording in
    common, and that it is the earlier one's is the likelier.
    """

    name = "rpn-signature"
    ragged = True
    sited = True
    defaults: ClassVar[Mapping[str, Option]] = {"label": "sex", "sites": ("bochum", "essen")}

    def list(self, source: Distribution) -> Listing:
        """The subjects site by site, in the order of the tables."""
        asked, label = _asked(source.options)
        samples: list[Original] = []
        dropped: list[tuple[str, str]] = []
        reference = _read_site(source.folder, _REFERENCE).thresholds if label == "pain" else None
        recordings = {name: _recordings(source.folder, name) for name in asked}
        copies = _copies(source.folder, recordings.values())
        for name, files in recordings.items():
            site = _read_site(source.folder, name)
            labels = site.male if reference is None else _above_median(site, reference)
            for place, subject in enumerate(site.names):
                if subject not in files:
                    dropped.append((subject, "row without its recording"))
                elif subject in copies:
                    dropped.append((subject, f"its recording is a copy of {copies[subject]}'s"))
                elif np.isnan(labels[place]):
                    dropped.append((subject, f"no {label} in the table"))
                else:
                    known = {"age": site.age[place]} | (
                        {} if label == "sex" else {"male": site.male[place]}
                    )
                    known["mean_fd"] = _displacement(source.folder, files[subject])
                    sample = Original(
                        id=subject,
                        label=int(labels[place]),
                        files=(files[subject],),
                        group=subject,
                        site=name,
                        covariates={key: float(value) for key, value in known.items()},
                    )
                    samples.append(sample)
        check_regions(source.folder, [sample.files[0] for sample in samples], (_GLOBAL,))
        notes = ("values are kept as float32, without the column of the global signal",)
        return Listing(samples=tuple(samples), dropped=tuple(dropped), notes=notes)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(122, T) float32."""
        file = source.folder / sample.files[0]
        series = read_series(file, drop=(_GLOBAL,))
        check_series(series, source.card, where=file)
        return series


def _asked(options: Mapping[str, Option]) -> tuple[tuple[str, ...], str]:
    """The sites and the label."""
    sites, label = words(options, "sites"), str(options["label"])
    if label not in ("sex", "pain"):
        raise RequestError(f"option label is {label!r}; it must be sex or pain")
    if not sites or not set(sites) <= set(_SITES) or len(set(sites)) < len(sites):
        raise RequestError(f"option sites is {sites}; it must be some of {', '.join(_SITES)}")
    return sites, label


def _read_site(folder: Path, site: str) -> _Site:
    """The table of a site; thresholds of several trials as the authors' scripts pool them."""
    file = find(_home(folder, site), f"{site}_sample.csv", of="RPN-signature")
    trials = "CPT" not in (table := read_csv(file, ("ID", "Male", "Age"))).columns
    if trials:
        cold, heat = (_numbers(file, table, [f"qst_{each}_{n}" for n in range(2, 7)])
                      for each in ("cpt", "hpt"))  # fmt: skip
        pricks = [f"qst_mpt_{n}_{felt}" for n in range(2, 6) for felt in ("pain", "no_pain")]
        with np.errstate(invalid="ignore", divide="ignore"):
            mechanical = np.log(_numbers(file, table, pricks)).mean(axis=0)
        cold[cold < 0] = _COLDEST
        thresholds = np.stack([_mean_of_known(cold), heat.mean(axis=0), mechanical])
    else:
        thresholds = _numbers(file, table, ["CPT", "HPT", "MPT_log_geom"])
    male, age = _numbers(file, table, ["Male", "Age"])
    if not np.isin(male[~np.isnan(male)], (0, 1)).all():
        raise DataError(f"{file}: Male must be 1, 0 or empty; get it again")
    numbers = _numbers(file, table, ["ID"])[0]
    if np.isnan(numbers).any() or len(set(numbers)) < len(numbers):
        raise DataError(f"{file}: ID must be a number of its own in each row; get it again")
    names = [f"{site}-{int(number):03}" for number in numbers]
    return _Site(names=names, male=male, age=age, thresholds=thresholds)


def _numbers(file: Path, table: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    """(len(columns), n) numbers; NaN where there is none."""
    import pandas as pd

    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise DataError(f"{file}: no column {', '.join(map(repr, lacking))}; get it again")
    found = [pd.to_numeric(table[name].str.strip(), errors="coerce") for name in columns]
    return np.array(found, np.float64)


def _mean_of_known(trials: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) means of (trials, n) over those that are known; NaN where none is."""
    known = ~np.isnan(trials)
    total, count = np.where(known, trials, 0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _above_median(site: _Site, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the composite sensitivity is above the site's median, else 0; NaN where unknown."""
    mean, spread = np.nanmean(reference, axis=1), np.nanstd(reference, axis=1)
    scores = (site.thresholds - mean[:, None]) / spread[:, None]
    sensitivity = (scores[0] - scores[1] - scores[2]) / 3  # less cold, heat and force are needed
    above = sensitivity > np.nanmedian(sensitivity)
    return np.where(np.isnan(sensitivity), np.nan, above)


def _home(folder: Path, site: str) -> Path:
    """The folder of a site, in that of the clone or of its data."""
    homes = [each for each in (folder / "data", folder) if (each / f"{site}-sample").is_dir()]
    if not homes:
        msg = f"{folder}: no folder data/{site}-sample; clone github.com/spisakt/RPN-signature, and"
        raise DataError(f"{msg} name the clone by --from")
    return homes[0] / f"{site}-sample"


def _recordings(folder: Path, site: str) -> dict[str, str]:
    """The recording of each subject, before volumes of much motion are cut out of it."""
    home = _home(folder, site)
    found: dict[str, str] = {}
    for path in walk(home, ".tsv"):
        match = _NAME.fullmatch(path.name)
        if match is None or path.stem.endswith("-scrubbed"):
            continue
        if match.group(1) in found:
            raise DataError(f"{home}: {match.group(1)} has two recordings; keep one of them")
        found[match.group(1)] = (home.relative_to(folder) / path).as_posix()
    return found


def _copies(folder: Path, recordings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Subjects whose file has the content of an earlier one's, with whose."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for files in recordings:
        for subject, file in sorted(files.items()):
            earlier = first.setdefault(hash_file(folder / file), subject)
            if earlier != subject:
                found[subject] = earlier
    return found


def _displacement(folder: Path, recording: str) -> float:
    """Mean framewise displacement in mm of a recording; NaN where there is no table of it."""
    file = folder / recording
    table = (
        file.parent.with_name("framewise_displacement") / f"FD_{file.stem.removeprefix('ts_')}.txt"
    )
    if not table.is_file():
        return float("nan")
    try:
        return float(np.loadtxt(table, skiprows=1, ndmin=1).mean())
    except ValueError as error:
        raise DataError(
            f"{table}: must be numbers below a title ({error}); get it again"
        ) from error
