"""Files of weights by name: downloads from a server of our own, and installed packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from known_weights import COMMIT, SERVED, install, own_weights

from crossbench.errors import WeightsError
from crossbench.nets.weights.catalogue import find_known, hub_file
from crossbench.nets.weights.init import resolve_init
from crossbench.nets.weights.retrieval import fetch, present
from crossbench.registry.methods import load_method

BACKBONE = "resnet18"
CONTENT = bytes(range(256)) * 4000
HUB_FILE = f"hf:lab/net/deep/model.safetensors@{COMMIT}"


class Hub(ThreadingHTTPServer):
    """A hub with one file, at one commit that is also ``main``.

    Attributes:
        sent: Ranges asked for, by GET.
        cuts: How many more answers break off half-way.
        meeting: Where the first GET waits until as many HEADs have come.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[str] = []
        self.cuts = 0
        self.meeting = threading.Semaphore(0)
        self.visitors = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(CONTENT, body=False)
        self.server.meeting.release()

    def do_GET(self) -> None:
        for _ in range(self.server.visitors):
            self.server.meeting.acquire(timeout=60)
        self.server.visitors = 0
        asked = self.headers.get("Range", "")
        self.server.sent.append(asked)
        start = _start(asked)
        self._answer(CONTENT[start:], body=True, start=start)

    def _answer(self, content: bytes, *, body: bool, start: int | None = None) -> None:
        paths = {f"/lab/net/resolve/{rev}/deep/model.safetensors" for rev in (COMMIT, "main")}
        known = self.path in paths
        self.send_response(404 if not known else 206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        if not known:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_header("ETag", '"e7a9"')
        self.send_header("Content-Length", str(len(content)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if body and self.server.cuts:
            self.server.cuts -= 1
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _start(asked: str) -> int:
    """First byte of ``bytes=START-END``; 0 for no range."""
    return int(asked.removeprefix("bytes=").partition("-")[0] or 0)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The server, and an empty cache to download to."""
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        constants = {
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_TELEMETRY": True,
        }
        for name, value in constants.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        yield server
        server.shutdown()


# ------------------------------------------------------------------------------- downloads


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_fetched_once(hub: Hub, revision: str) -> None:
    init = f"hf:lab/net/deep/model.safetensors@{revision}"
    assert present(hub_file(init)) == ()
    path = resolve_init(init, load_method("conv2d"), BACKBONE)
    assert Path(path).read_bytes() == CONTENT
    assert path.read_bytes() == CONTENT
    assert resolve_init(init, load_method("crossd"), BACKBONE) == path
    assert present(hub_file(init)) == (path,)
    assert hub.sent == [""]


def test_cut_download_is_resumed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 2**16)  # what is kept
    hub.cuts = 1
    assert fetch(hub_file(HUB_FILE)).read_bytes() == CONTENT
    assert len(hub.sent) == 2
    assert 0 < _start(hub.sent[1]) <= len(CONTENT) // 2


def test_pinned_hash(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hashlib.sha256(CONTENT).hexdigest()
    own_weights(monkeypatch, tmp_path, sha256=found)
    path = Path(resolve_init("in1k", load_method("acs"), BACKBONE))
    assert path.read_bytes() == CONTENT
    path.resolve().write_bytes(CONTENT[:-1])
    damaged = hashlib.sha256(CONTENT[:-1]).hexdigest()
    with pytest.raises(WeightsError, match=f"SHA-256 {damaged}, but {found} is pinned; delete"):
        resolve_init("in1k", load_method("acs"), BACKBONE)
    path.resolve().unlink()
    assert Path(resolve_init("in1k", load_method("acs"), BACKBONE)).read_bytes() == CONTENT


def test_another_file_than_was_pinned(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_weights(monkeypatch, tmp_path, sha256="0" * 64)
    with pytest.raises(WeightsError, match=rf"\({HUB_FILE}\) has SHA-256 \w+, but 0+ is pinned"):
        resolve_init("in1k", load_method("conv2d"), BACKBONE)


def test_absent_file(hub: Hub) -> None:
    message = (
        "absent.pth of lab/net at main cannot be fetched from Hugging Face .*404.*; download it "
        "where you can and pass its path as init"
    )
    with pytest.raises(WeightsError, match=message):
        fetch(hub_file("hf:lab/net/absent.pth@main"))
    assert hub.sent == []


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"cannot be fetched .*\(OfflineModeIsEnabled"):
        fetch(hub_file(HUB_FILE))
    assert hub.sent == []


def test_two_processes_fetch_one_copy(hub: Hub, tmp_path: Path) -> None:
    """Both have asked for the file before the first byte is sent; the second waits for it."""
    hub.visitors = 2
    code = (
        "import sys; from crossbench.nets.weights.catalogue import hub_file\n"
        "from crossbench.nets.weights.retrieval import fetch\n"
        "print(fetch(hub_file(sys.argv[1])))"
    )
    env = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "120",
    }
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, HUB_FILE], env=env, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    paths = {Path(process.communicate(timeout=300)[0].strip()) for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert len(paths) == 1
    assert paths.pop().read_bytes() == CONTENT
    assert hub.sent == [""]


# --------------------------------------------------------------- files of installed packages

PARTS = {f"net-weights-p{n}": CONTENT[n::2] for n in (0, 1)}
WHOLE = b"".join(PARTS.values())


def packed(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes = WHOLE) -> Path:
    """An ``in1k`` that two packages hold a part of each; the folder that these belong into."""
    packages = [{"package": f"{name}==0.1.0", "file": f"{name}/part.bin"} for name in PARTS]
    sha256 = hashlib.sha256(content).hexdigest()
    own_weights(monkeypatch, folder, **SERVED, packages=packages, sha256=sha256)
    monkeypatch.setenv("CROSSBENCH_CACHE", str(folder / "cache"))
    site = folder / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site


def fill(site: Path, version: str = "0.1.0", **files: bytes) -> None:
    for name, content in PARTS.items():
        install(site, name, version, files or {f"{name}/part.bin": content})


def test_parts_in_packages_are_joined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(packed(monkeypatch, tmp_path))
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    assert [path.read_bytes() for path in present(weights)] == list(PARTS.values())
    whole = fetch(weights)
    assert whole.read_bytes() == WHOLE
    assert whole.is_relative_to(tmp_path / "cache")
    before = whole.stat().st_mtime_ns
    assert fetch(weights).stat().st_mtime_ns == before
    whole.write_bytes(WHOLE[:-1])  # damaged since
    assert fetch(weights).read_bytes() == WHOLE
    assert [each.name for each in whole.parent.iterdir()] == [whole.name]


def test_one_file_in_a_package_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = packed(monkeypatch, tmp_path)
    fill(site)
    name, content = next(iter(PARTS.items()))
    packages = [{"package": f"{name}==0.1.0", "file": f"{name}/part.bin"}]
    sha256 = hashlib.sha256(content).hexdigest()
    own_weights(monkeypatch, tmp_path, **SERVED, packages=packages, sha256=sha256)
    file = site / name / "part.bin"
    assert resolve_init("in1k", load_method("acs"), BACKBONE) == file
    file.write_bytes(b"another")
    message = rf"pip:{name}==0.1.0/{name}/part.bin\) has SHA-256 .*; pip install --force-reinstall"
    with pytest.raises(WeightsError, match=message):
        resolve_init("in1k", load_method("acs"), BACKBONE)
    assert not (tmp_path / "cache").exists()


def test_missing_packages_are_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = packed(monkeypatch, tmp_path)
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    assert present(weights) == ()
    message = (
        r"weights 'in1k' are in packages that are not here: net-weights-p0==0.1.0 \(not "
        r"installed\), net-weights-p1==0.1.0 \(not installed\); pip install "
        r"net-weights-p0==0.1.0 net-weights-p1==0.1.0$"
    )
    with pytest.raises(WeightsError, match=message):
        fetch(weights)
    fill(site, "0.2.0")
    with pytest.raises(WeightsError, match=r"net-weights-p0==0.1.0 \(0.2.0 is installed\)"):
        fetch(weights)


def test_a_file_that_no_package_lists_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = packed(monkeypatch, tmp_path)
    fill(site, other=b"")
    for name, content in PARTS.items():
        (site / name).mkdir()
        (site / name / "part.bin").write_bytes(content)
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    assert present(weights) == ()
    message = r"net-weights-p0==0.1.0 \(lacks net-weights-p0/part.bin, --force-reinstall it\)"
    with pytest.raises(WeightsError, match=message):
        fetch(weights)


def test_parts_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(packed(monkeypatch, tmp_path, CONTENT))
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    found = hashlib.sha256(WHOLE).hexdigest()
    with pytest.raises(WeightsError, match=f"SHA-256 {found}, but .* is pinned; pip install --fo"):
        fetch(weights)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


def test_parts_that_cannot_be_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(packed(monkeypatch, tmp_path))
    (tmp_path / "cache").write_text("in the way")
    weights = find_known("in1k", load_method("acs"), BACKBONE)
    with pytest.raises(WeightsError, match=r"the 2 parts of weights 'in1k' cannot be joined \("):
        fetch(weights)


def test_a_file_that_is_downloaded_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    url = {"url": "https://example.org/w.pth", "repo": "", "revision": ""}
    own_weights(
        monkeypatch, tmp_path, file="w.pth", sha256=hashlib.sha256(CONTENT).hexdigest(), **url
    )
    known = find_known("in1k", load_method("acs"), BACKBONE)
    assert (known.source, present(known)) == ("https://example.org/w.pth", ())
    place = tmp_path / "cache" / "weights" / "in1k" / "w.pth"
    with pytest.raises(
        WeightsError, match=f"does not fetch https://example.org/w.pth; .* to {place}"
    ):
        fetch(known)
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert fetch(known) == place
