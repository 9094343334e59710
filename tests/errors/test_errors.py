"""The exception tree and its hints."""

from __future__ import annotations

import pytest

from crossbench import errors
from crossbench.errors import CrossbenchError, DataError, RequestError, unknown_name


def _raised_on_purpose() -> list[type[Exception]]:
    return [each for each in vars(errors).values() if isinstance(each, type)]


@pytest.mark.parametrize("error", _raised_on_purpose())
def test_every_error_is_caught_as_one(error: type[Exception]) -> None:
    assert issubclass(error, CrossbenchError)
    assert error.__doc__


def test_data_errors_are_caught_together() -> None:
    assert issubclass(errors.MissingDataError, DataError)
    assert issubclass(errors.SplitError, DataError)
    assert not issubclass(RequestError, DataError)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vesel", "unknown task 'vesel'; did you mean vessel?"),
        ("organ", "unknown task 'organ'; did you mean organs or organc?"),
        ("zzz", "unknown task 'zzz'; known: organc, organs, vessel"),
        ("", "unknown task ''; known: organc, organs, vessel"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    error = unknown_name("task", name, ["vessel", "organs", "organc"])
    assert isinstance(error, RequestError)
    assert str(error) == message


def test_an_unknown_name_with_nothing_registered() -> None:
    assert str(unknown_name("method", "crossd", [])) == "unknown method 'crossd'; known: none"
