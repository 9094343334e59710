"""Limits as people write them."""

from __future__ import annotations

import pytest

from crossbench.cli.limits import parse_size, parse_time
from crossbench.errors import RequestError


def test_sizes() -> None:
    assert parse_size("512M") == parse_size("512 MiB") == 512 * 2**20
    assert parse_size("1.5g") == 1.5 * 2**30
    assert parse_size("1000") == 1000


def test_times() -> None:
    assert parse_time("90") == parse_time("90s") == parse_time("1.5m") == 90
    assert parse_time(" 2H ") == 7200


@pytest.mark.parametrize("text", ["0", "much", "-4G", "G", "nan", "inf"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"memory-limit .* must be a size such as 512M or 4G"):
        parse_size(text)


@pytest.mark.parametrize("text", ["0", "soon", "-1m", "h", "nan", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"time-limit .* must be a time such as 90, 10m or 2h"):
        parse_time(text)
