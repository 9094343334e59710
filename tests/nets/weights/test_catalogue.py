"""Weights by name: which file serves whom, and downloads from a server of our own."""

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

from crossbench.errors import CardError, RequestError, WeightsError
from crossbench.nets.weights.catalogue import (
    fetch,
    find_known,
    hub_file,
    known_weights,
    named_weights,
    present,
)
from crossbench.nets.weights.loading import init_name, resolve_init
from crossbench.registry.methods import load_method

COMMIT = "0123456789abcdef0123456789abcdef01234567"
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


def own_weights(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: str) -> None:
    """Point $CROSSBENCH_WEIGHTS to a file with an ``in1k`` of the server above."""
    entry = {
        "name": "in1k",
        "repo": "lab/net",
        "file": "deep/model.safetensors",
        "revision": COMMIT,
    } | changes
    lines = [f'{key} = "{value}"' for key, value in entry.items() if value]
    file = folder / "weights.toml"
    file.write_text("\n".join(["[[weights]]", 'layers = ["plain"]', *lines]))
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(file))


# ---------------------------------------------------------------------------- what is known


@pytest.mark.parametrize(
    ("name", "method", "file"),
    [
        ("in1k", "conv2d", "model.safetensors"),
        ("in1k", "acs", "model.safetensors"),
        ("in1k", "conv3d", "model.safetensors"),
        ("in1k", "crossd", "CDConvR18_IN1K.pth"),
        ("in1k", "crossd-aligned", "CDConvR18_IN1K.pth"),
        ("in1k", "crossd-lifted", "model.safetensors"),
        ("rin", "acs", "R18_RIN.pth"),
        ("rin", "crossd-fixed", "CDConvR18_RIN.pth"),
    ],
)
def test_file_that_serves_a_method(name: str, method: str, file: str) -> None:
    assert find_known(name, load_method(method)).file == file


def test_what_ships_is_pinned_where_it_can_be() -> None:
    plain = find_known("in1k", load_method("conv2d"))
    assert plain.source == (
        "hf:timm/resnet18.tv_in1k/model.safetensors@bbd144b3e5565108aad885f145491d11bc6ce807"
    )
    assert plain.sha256.startswith("694f673df6520a31")
    assert all(each.repo and each.revision and each.layers for each in known_weights())


def test_layers_without_weights() -> None:
    class Mine(type(load_method("crossd"))):  # type: ignore[misc]
        name = "mine"

    message = r"no 'rin' weights are known for the layers of method 'mine' \(there are some for pla"
    with pytest.raises(WeightsError, match=message):
        find_known("rin", Mine())


def test_own_weights_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_weights(monkeypatch, tmp_path, repo="", revision="", file="mine.safetensors")
    weights = find_known("in1k", load_method("acs"))
    assert weights.source == weights.file == str(tmp_path / "mine.safetensors")
    assert find_known("in1k", load_method("crossd")).file == "CDConvR18_IN1K.pth"
    assert present(weights) is None
    with pytest.raises(WeightsError, match=r"no weights 'in1k' at '.*mine.safetensors'; correct"):
        fetch(weights)
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    assert resolve_init("in1k", load_method("acs")) == tmp_path / "mine.safetensors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": ""}, "weights 'in1k': 'revision' is ''; a repo needs one"),
        ({"sha256": "ab12"}, "weights 'in1k': 'sha256' is 'ab12'; it must be 64 hex digits"),
        ({"name": ""}, r"required key 'weights\[0\]\.name' is missing"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_malformed_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    own_weights(monkeypatch, tmp_path, **changes)
    with pytest.raises(CardError, match=f"weights.toml: .*{message}"):
        known_weights()


def test_files_of_the_hub() -> None:
    weights = hub_file("hf:convergedmachine/Cross-D-Conv/R18_RIN.pth@refs/pr/1")
    assert weights.repo == "convergedmachine/Cross-D-Conv"
    assert (weights.file, weights.revision) == ("R18_RIN.pth", "refs/pr/1")
    assert named_weights(weights.source) == (weights,)
    assert [each.file for each in named_weights("rin")] == ["R18_RIN.pth", "CDConvR18_RIN.pth"]
    with pytest.raises(RequestError, match="unknown weights 'in2k'; did you mean in1k"):
        named_weights("in2k")


@pytest.mark.parametrize(
    "text", ["hf:net/file@main", "hf:lab/net/file", "hf:lab/net/../../file@main", "hf:a b/c/d@main"]
)
def test_what_is_no_file_of_the_hub(text: str) -> None:
    with pytest.raises(RequestError, match="is not of the form hf:OWNER/NAME/FILE@REVISION, such"):
        hub_file(text)


def test_names_of_inits() -> None:
    assert init_name("in1k") == "in1k"
    assert init_name("hf:timm/resnet18.a1_in1k/model.safetensors@main") == "resnet18.a1_in1k"
    assert init_name("hf:convergedmachine/Cross-D-Conv/R18_RIN.pth@main") == "R18_RIN"


# ------------------------------------------------------------------------------- downloads


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_fetched_once(hub: Hub, revision: str) -> None:
    init = f"hf:lab/net/deep/model.safetensors@{revision}"
    assert present(hub_file(init)) is None
    path = resolve_init(init, load_method("conv2d"))
    assert Path(path).read_bytes() == CONTENT
    assert path.read_bytes() == CONTENT
    assert present(hub_file(init)) == resolve_init(init, load_method("crossd")) == path
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
    path = Path(resolve_init("in1k", load_method("acs")))
    assert path.read_bytes() == CONTENT
    path.resolve().write_bytes(CONTENT[:-1])
    damaged = hashlib.sha256(CONTENT[:-1]).hexdigest()
    with pytest.raises(WeightsError, match=f"SHA-256 {damaged}, but {found} is pinned; delete"):
        resolve_init("in1k", load_method("acs"))
    path.resolve().unlink()
    assert Path(resolve_init("in1k", load_method("acs"))).read_bytes() == CONTENT


def test_another_file_than_was_pinned(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_weights(monkeypatch, tmp_path, sha256="0" * 64)
    with pytest.raises(WeightsError, match=rf"\({HUB_FILE}\) has SHA-256 \w+, but 0+ is pinned"):
        resolve_init("in1k", load_method("conv2d"))


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
        "import sys; from crossbench.nets.weights.catalogue import fetch, hub_file\n"
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
