"""What cannot be connected to, said at once."""

from __future__ import annotations

import sys

import pytest

from crossbench.errors import RequestError
from crossbench.execution.ray.connection import connected


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:1", r"no Ray at '127.0.0.1:1': .*refused; `ray start --head` starts"),
        ("127.0.0.1:99999", "no Ray at '127.0.0.1:99999'"),
        ("somewhere", r"--address \(='somewhere'\) must be HOST:PORT of a Ray cluster, or auto"),
        ("ray://127.0.0.1:10001", "must be HOST:PORT of a Ray cluster, or auto"),
    ],
)
def test_an_address_without_a_cluster_is_refused(address: str, why: str) -> None:
    with pytest.raises(RequestError, match=why), connected(address):
        pass


def test_without_ray_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"not installed here; pip install 'crossbench\[ray\]'"):
        connected(None).__enter__()
