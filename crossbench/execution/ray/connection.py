"""Connections to Ray: a cluster of this machine for a while, or one that is there."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.environment.provenance import available_cores
from crossbench.errors import RequestError
from crossbench.errors.foreign import describe
from crossbench.execution.isolation import nothing_inherited
from crossbench.files.scratch import make_scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTO = "auto"
_PATIENCE = 10.0  # seconds for a cluster to answer
_REMEDY = (
    "`ray start --head` starts a cluster, and RAY_AUTH_MODE=token shows it the token that it may "
    "ask for (docs/clusters.md)"
)
_STORE = 128 * 2**20  # bytes: nothing large is sent to the machine that has it
_ROOM = 107 - len("/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster while the block lasts.

    Args:
        address: ``HOST:PORT`` of a cluster, or ``auto`` for the one of this machine; None starts
            one here, which listens on this machine alone and ends with the block.

    Raises:
        RequestError: If Ray is not installed, or there is no such cluster.
    """
    ray = _import_ray()
    if address not in (None, _AUTO):
        _reach(address)
    scratch = _short_scratch()
    try:
        try:
            with _as_before(scratch):
                os.environ.update(_VARIABLES | (_own_token() if address is None else {}))
                ray.init(**_options(address, scratch))
        except Exception as error:
            where = "Ray cannot be started here" if address is None else f"no Ray at {address!r}"
            msg = f"{where}: {describe(error).splitlines()[0]}"
            raise RequestError(
                f"{msg}; `ray start --head` starts one (docs/clusters.md)"
            ) from error
        yield
    finally:
        with suppress(Exception):
            ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def _reach(address: str) -> None:
    """Refuse an address where nothing listens, for which Ray would wait for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise RequestError(f"--address (={address!r}) must be HOST:PORT of a Ray cluster, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise RequestError(f"no Ray at {address!r}: {error}; {_REMEDY}") from error


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        msg = "--executor ray needs Ray, which is not installed here"
        raise RequestError(f"{msg}; pip install 'crossbench[ray]'") from error
    return ray


def _options(address: str | None, scratch: Path) -> dict[str, Any]:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is not None:
        return quiet | {"address": address}
    return quiet | {
        "address": "local",
        "include_dashboard": False,
        "num_cpus": available_cores(),
        "object_store_memory": _STORE,
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": str(scratch),
    }


@cache
def _own_token() -> dict[str, str]:
    """The token of a cluster of this process, unless the user's variables say something of it.

    Without it Ray would write one into the home folder, for which every cluster then asks.
    """
    said = any(name.startswith("RAY_AUTH_") for name in os.environ)
    return {} if said else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _short_scratch() -> Path:
    """A folder for Ray's files, whose path leaves room for the names of sockets."""
    scratch = make_scratch()
    if len(os.fsencode(scratch)) <= _ROOM:
        return scratch
    scratch.rmdir()
    return Path(tempfile.mkdtemp(prefix="crossbench-", dir="/tmp"))  # a private one


@contextmanager
def _as_before(folder: Path) -> Iterator[None]:
    """Undo what Ray does to this process: its folder, signals and variables.

    Ray puts the working folder on the import path of every process of the cluster; an empty one
    has nothing to import.
    """
    here = Path.cwd()
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if main else None
    with nothing_inherited():
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)
            if before is not None:
                signal.signal(signal.SIGTERM, before)
