from __future__ import annotations

import numpy as np
import pytest

from crossbench.data.canonical import canonical_groups
from crossbench.data.covariates import canonical_covariates
from crossbench.errors import DataError

SITE = np.array(["Bochum", "Essen", "Bochum"])
VALUES = np.array([[31.0, 0.1], [np.nan, 0.2], [44.0, np.nan]])
NAMES = np.array(["age", "mean_fd"])
DIFFER = "differ in white space, case or form alone and are taken as one"
KNOWN = {"site": SITE, "covariates": VALUES, "covariate_names": NAMES}


def test_site_and_covariates_are_read_and_unknown_values_stay_unknown() -> None:
    found = canonical_covariates(KNOWN, samples=3, where="f.npz")
    assert found.site is not None
    assert found.site.tolist() == SITE.tolist()
    np.testing.assert_array_equal(found.values, VALUES)
    assert (found.names, found.notes) == (("age", "mean_fd"), ())


def test_a_file_may_have_neither_or_site_alone() -> None:
    nothing = canonical_covariates({}, samples=3, where="f.npz")
    assert (nothing.site, nothing.values, nothing.names) == (None, None, ())
    assert canonical_covariates({"site": SITE}, samples=3, where="f.npz").values is None


def test_sites_spelt_differently_are_one_and_that_is_said() -> None:
    site = np.array(["Essen", "essen ", "Bochum"])
    found = canonical_covariates({"site": site}, samples=3, where="f.npz")
    assert found.site is not None
    assert found.site.tolist() == ["Essen", "Essen", "Bochum"]
    (note,) = found.notes
    assert note == f"sites 'Essen' and 'essen ' {DIFFER}"


def test_notes_on_sites_are_those_on_groups() -> None:
    site = np.array(["a", "A", "ﬁn", "fin", " x"])
    sites = canonical_covariates({"site": site}, samples=5, where="f.npz")
    _, groups = canonical_groups(site, samples=5, where="f.npz")
    assert sites.site is not None
    assert sites.site.tolist() == ["A", "A", "fin", "fin", "x"]
    assert [note.replace("groups", "sites") for note in groups] == list(sites.notes)
    assert sites.notes == (f"sites 'A' and 'a' {DIFFER} (2 such identifiers)",)


def test_a_nan_of_another_bit_pattern_is_the_same_content() -> None:
    odd = np.array([[np.nan]])
    odd.view(np.uint64)[0, 0] |= 1 << 63
    arrays = {"covariates": odd, "covariate_names": np.array(["age"])}
    values = canonical_covariates(arrays, samples=1, where="f.npz").values
    assert values is not None
    assert values.tobytes() == np.array([[np.nan]]).tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"site": SITE[:2]}, r"'site' is <U6 of shape \(2,\); 3 samples need"),
        ({"site": np.arange(3)}, "'site' is int64"),
        ({"site": np.array(["a", " ", "b"])}, "site of sample 1 is empty"),
        ({"covariates": VALUES[:2]}, r"of shape \(2, 2\); 3 samples and 2 names need \(3, 2\)"),
        ({"covariates": VALUES.astype(str)}, "'covariates' is <U32"),
        ({"covariates": np.full((3, 2), -np.inf)}, "'age' of sample 0 is -inf; store NaN"),
        ({"covariate_names": np.array(["age", "age "])}, "'age' twice"),
        ({"covariate_names": np.array(["age", ""])}, "covariate 1 has an empty name"),
        ({"covariate_names": np.array("age")}, r"of shape \(\); it must be \(C,\) strings"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        canonical_covariates(KNOWN | change, samples=3, where="f.npz")


@pytest.mark.parametrize("lacking", ["covariates", "covariate_names"])
def test_values_without_names_and_names_without_values_are_refused(lacking: str) -> None:
    arrays = {name: array for name, array in KNOWN.items() if name != lacking}
    with pytest.raises(DataError, match=f"there without '{lacking}'"):
        canonical_covariates(arrays, samples=3, where="f.npz")
