"""Fetching from a server on loopback, by the real client, under every misbehaviour."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from http_host import Host, serving
from shared_data import shared_data

from crossbench.cli import main
from crossbench.data.acquire.fetch import Fetched, Means, choose_origin, fetch
from crossbench.data.acquire.http import Patience, ResumingDownloader
from crossbench.data.acquire.listening import Listener
from crossbench.data.acquire.status import status
from crossbench.data.acquire.wanted import mirrored
from crossbench.errors import CardError, FetchError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import load_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = np.random.default_rng(0).bytes(300_000)
QUICK = Patience(first=0.0, longest=0.0, attempts=3, asked=2.0)

CARD = """\
name = "{name}"
title = "Blobs"
dimension = 3
modality = "None"
classes = ["dark", "bright"]
licence = "CC0-1.0"
citation = "Made on the spot"
metric = "balanced_accuracy"
version = 1
{extra}

[source]
kind = "{kind}"
file = "{file}"
remedy = "Save it."

[[origins]]
name = "here"
kind = "download"
{accept}

[[origins.files]]
url = "{url}"
file = "{file}"
{facts}
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host(files={"/b.npz": CONTENT})) as host:
        yield host


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CROSSBENCH_MIRROR", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_card(tmp_path: Path, host: Host) -> Callable[..., Path]:
    def make(facts: str | None = None, **given: str) -> Path:
        words = {
            "name": "blobs",
            "kind": "npz",
            "file": "b.npz",
            "url": f"{host.url}/b.npz",
            "extra": "",
            "accept": "",
            "facts": facts if facts is not None else md5(CONTENT),
        }
        card = tmp_path / "blobs.toml"
        card.write_text(CARD.format(**(words | given)))
        return card

    return make


@pytest.fixture
def get(make_card: Callable[..., Path], tmp_path: Path) -> Callable[..., Fetched]:
    def get(facts: str | None = None, *, means: Means | None = None, **given: str) -> Fetched:
        card = load_card(make_card(facts, **given))
        root = DataRoot(tmp_path / "data")
        return fetch(card, choose_origin(card), root, means or Means(patience=QUICK))

    return get


def md5(content: bytes) -> str:
    return f'checksum = {{ md5 = "{hashlib.md5(content).hexdigest()}" }}'


def hidden(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob(".*") if not each.name.endswith(".lock"))


def test_a_file_is_fetched_verified_and_not_fetched_again(
    get: Callable[..., Fetched], host: Host
) -> None:
    (file,) = get().files
    assert file.read_bytes() == CONTENT
    assert get().files == (file,)
    assert host.asked == [("/b.npz", None)]
    assert hidden(file.parent) == []


@pytest.mark.parametrize(
    ("table", "form"), [("c.csv", "{A}"), ("b.npz", "same")], ids=["no file of it", "no column"]
)
def test_a_table_that_lists_nothing_is_refused(
    make_card: Callable[..., Path], table: str, form: str
) -> None:
    listed = f'[origins.listed]\ntable = "{table}"\nurl = "http://h/{form}"\nfile = "{form}"'
    with pytest.raises(CardError, match="the table of listed must be one of its files"):
        load_card(make_card(listed))


def test_a_broken_connection_goes_on(get: Callable[..., Fetched], host: Host) -> None:
    host.breaks = [1 << 17, 1 << 16]
    (file,) = get().files
    assert file.read_bytes() == CONTENT
    assert [wanted for _, wanted in host.asked] == [None, "bytes=131072-", "bytes=196608-"]


def test_a_server_without_ranges_is_asked_from_the_start(
    get: Callable[..., Fetched], host: Host
) -> None:
    host.breaks, host.ranges = [100_000], False
    assert get().files[0].read_bytes() == CONTENT
    assert len(host.asked) == 2


def test_a_server_that_always_breaks_is_left(get: Callable[..., Fetched], host: Host) -> None:
    host.breaks, host.ranges = [100_000] * 9, False
    with pytest.raises(FetchError, match=r"the connection .*, 3 times in a row; what has come is"):
        get()
    assert len(host.asked) == 3


def test_a_host_that_is_not_found_is_given_up_at_once_and_its_file_named(tmp_path: Path) -> None:
    said, listener = [], Listener()
    listener.said = said.append  # type: ignore[method-assign]
    target = tmp_path / "b.npz"
    get = ResumingDownloader(target, patience=Patience(first=0.0), listener=listener)
    match = rf"invalid/b.npz: the connection failed .*; go online, .* or save the file as {target}"
    with pytest.raises(FetchError, match=match):
        get("http://crossbench.invalid/b.npz")
    assert len(said) == 1


def test_a_host_that_has_answered_is_asked_on_where_its_name_is_lost(
    tmp_path: Path, host: Host
) -> None:
    host.files["/lost.npz"], host.breaks = CONTENT, [100_000]
    said, listener = [], Listener()

    def lose(text: str) -> None:
        said.append(text)
        host.moved["/lost.npz"] = "http://crossbench.invalid/lost.npz"

    listener.said = lose  # type: ignore[method-assign]
    patience = Patience(first=0.0, attempts=4)
    get = ResumingDownloader(tmp_path / "lost.npz", patience=patience, listener=listener)
    with pytest.raises(FetchError, match="4 times in a row; what has come is kept"):
        get(f"{host.url}/lost.npz")
    assert len(said) == 3


@pytest.mark.parametrize("validators", [True, False])
def test_a_file_that_changes_between_attempts_is_begun_again(
    get: Callable[..., Fetched], host: Host, tmp_path: Path, *, validators: bool
) -> None:
    host.validators, other = validators, CONTENT[::-1]
    host.files["/b.npz"], host.breaks = other, [100_000] + [0] * 8
    with pytest.raises(FetchError, match="3 times in a row"):
        get()
    host.files["/b.npz"], host.breaks = CONTENT, []
    assert get().files[0].read_bytes() == CONTENT
    assert hidden(tmp_path / "data") == []


def test_retry_after_is_heeded(get: Callable[..., Fetched], host: Host) -> None:
    host.failures = [(429, "1"), (503, None)]
    begun = time.monotonic()
    assert get().files[0].read_bytes() == CONTENT
    assert time.monotonic() - begun >= 1
    assert len(host.asked) == 3


def test_a_server_that_asks_for_too_long_a_wait_is_left(
    get: Callable[..., Fetched], host: Host
) -> None:
    host.failures = [(503, "3600")]
    with pytest.raises(FetchError, match="answers 503, and the server asks to wait 60 min"):
        get()


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "nothing is there any more"), (403, "refuses it to programs"), (401, "an account")],
)
def test_what_is_not_there_is_not_asked_for_again(
    get: Callable[..., Fetched], host: Host, status: int, message: str
) -> None:
    host.failures = [(status, None)]
    with pytest.raises(FetchError, match=rf"answers {status} \(.*{message}.*get b\.npz by hand"):
        get()
    assert len(host.asked) == 1


def test_another_length_than_the_card_says_is_refused(
    get: Callable[..., Fetched], host: Host, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="announces 300000 bytes, but the card says 12"):
        get("bytes = 12")
    assert hidden(tmp_path / "data") == []


def test_redirects_are_followed(get: Callable[..., Fetched], host: Host) -> None:
    host.moved = {"/old": "/b.npz"}
    assert get(url=f"{host.url}/old").files[0].read_bytes() == CONTENT


def test_a_web_page_is_refused(get: Callable[..., Fetched], host: Host) -> None:
    host.content_type = "text/html; charset=utf-8"
    with pytest.raises(FetchError, match=r"answers with a web page instead of b\.npz"):
        get("")


def test_a_wrong_checksum_is_refused_by_name_and_removed(
    get: Callable[..., Fetched], tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match=r"b\.npz was refused: its MD5 is .*, but the card says 0"):
        get(f'checksum = {{ md5 = "{"0" * 32}" }}')
    assert hidden(tmp_path / "data") == []
    assert not (tmp_path / "data" / "b.npz").exists()


def test_a_file_of_unknown_checksum_is_unverified_with_its_sha256(
    get: Callable[..., Fetched], make_card: Callable[..., Path], tmp_path: Path
) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert get("").unverified == (("b.npz", sha256),)
    now = status(load_card(make_card("")), DataRoot(tmp_path / "data"))
    assert (now.state, now.sha256, now.on_disk) == ("unverified", sha256, len(CONTENT))


def test_a_full_disk_is_refused_before_the_first_byte(
    get: Callable[..., Fetched], tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match=r"b\.npz needs 300 kB more, and 1\.0 kB are free"):
        get(means=Means(free=lambda _: 1000, patience=QUICK))
    assert hidden(tmp_path / "data") == []


FILLED = """
import subprocess, sys
from pathlib import Path
from crossbench.data.acquire.http import ResumingDownloader
from crossbench.errors import FetchError

url, folder = sys.argv[1], Path(sys.argv[2])
had = ResumingDownloader(folder / "b.npz", free=lambda _: 10**9)  # room that others then take
try:
    had(url)
except FetchError as error:
    print(error)
print([path.name for path in folder.iterdir() if path.name[0] != "."])
subprocess.run(["mount", "-o", "remount,size=1m", str(folder)], check=True)
had = ResumingDownloader(folder / "b.npz")
had(url)
print(had.resumed, had.partial.file.stat().st_size)
"""


def test_a_disk_that_fills_on_the_way_keeps_what_has_come(host: Host, tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=128k none {tmp_path}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    words = [sys.executable, "-c", FILLED, f"{host.url}/b.npz", str(tmp_path)]
    told = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert re.search(r"b\.npz needs \d+ kB more, and .* are free", told[0])
    assert told[1:] == ["[]", f"True {len(CONTENT)}"]
    assert [wanted is not None for _, wanted in host.asked] == [False, True]


def test_offline_fetches_nothing(
    get: Callable[..., Fetched], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match=r"b\.npz is not here and the network is left alone"):
        get(means=Means(offline=True))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        get()
    assert host.asked == []


def test_proxies_of_the_environment_are_used(
    get: Callable[..., Fetched], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.files["http://data.invalid/b.npz"] = CONTENT  # what a proxy is asked for
    monkeypatch.setenv("http_proxy", host.url)
    assert get(url="http://data.invalid/b.npz").files[0].read_bytes() == CONTENT


def test_a_mirror_replaces_scheme_and_host(
    get: Callable[..., Fetched], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mirrored("https://z.org/a?b=1", "http://m/sub/") == "http://m/sub/a?b=1"
    with pytest.raises(RequestError, match="mirror 'm' is no address"):
        mirrored("https://z.org/a", "m")
    monkeypatch.setenv("CROSSBENCH_MIRROR", host.url)
    assert get(url="https://data.invalid/b.npz").files[0].read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../b.npz", "/b.npz", ".b", "a/b.npz", "c:b"])
def test_a_card_cannot_choose_the_folder(get: Callable[..., Fetched], name: str) -> None:
    with pytest.raises(RequestError, match="of an origin is no plain name"):
        get(file=name)


def test_terms_are_accepted_once(
    make_card: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = str(make_card(accept='accept = "CC-BY-NC-4.0"\nterms = "Non-commercial."'))
    (tmp_path / "data").mkdir()
    where = ["--data-dir", str(tmp_path / "data")]
    assert main(["data", "fetch", card, *where]) == 2
    said = capsys.readouterr().err
    assert "has terms: Non-commercial." in said
    assert "crossbench data fetch blobs --accept-licence CC-BY-NC-4.0" in said
    assert main(["data", "fetch", card, *where, "--accept-licence", "MIT"]) == 2
    assert "unknown licence 'MIT'" in capsys.readouterr().err
    assert main(["data", "fetch", card, *where, "--accept-licence", "CC-BY-NC-4.0"]) == 0
    assert main(["data", "remove", card, *where]) == 0
    assert main(["data", "fetch", card, *where]) == 0


# ---------------------------------------------------------------- processes that are killed


def _start(card: Path, data: Path) -> subprocess.Popen[bytes]:
    data.mkdir(exist_ok=True)
    words = ["-m", "crossbench", "data", "fetch", str(card), "--data-dir", str(data)]
    return subprocess.Popen(
        [sys.executable, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_a_fetch_that_is_killed_goes_on(
    make_card: Callable[..., Path], host: Host, tmp_path: Path
) -> None:
    host.files["/b.npz"] = content = CONTENT * 20
    host.slow = 0.03
    card, part = make_card(md5(content)), tmp_path / "data" / ".b.npz.part"
    first = _start(card, tmp_path / "data")
    while not (part.exists() and part.stat().st_size > 500_000):
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    there, host.slow = part.stat().st_size, 0.0
    assert not (tmp_path / "data" / "b.npz").exists()
    again = _start(card, tmp_path / "data")
    out, _ = again.communicate()
    assert again.returncode == 0
    assert out.decode().strip() == str(tmp_path / "data" / "b.npz")
    assert (tmp_path / "data" / "b.npz").read_bytes() == content
    assert host.asked[-1] == ("/b.npz", f"bytes={there}-")


def test_two_processes_fetch_once(
    make_card: Callable[..., Path], host: Host, tmp_path: Path
) -> None:
    host.files["/b.npz"], host.slow = CONTENT * 20, 0.02
    card = make_card(md5(CONTENT * 20))
    both = [_start(card, tmp_path / "data") for _ in range(2)]
    said = [each.communicate()[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert len(host.asked) == 1


# ------------------------------------------------------------------------- official files


@pytest.mark.parametrize(
    ("task", "name"), [("vessel-28", "vesselmnist3d"), ("breast-28", "breastmnist")]
)
def test_official_files_by_the_registered_cards(
    task: str, name: str, host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = shared_data("medmnist", f"{name}.npz").read_bytes()
    host.files[f"/records/10519652/files/{name}.npz"] = content
    host.breaks = [1 << 17]
    (tmp_path / "data").mkdir()
    words = [task, "--data-dir", str(tmp_path / "data")]
    assert main(["data", "fetch", *words, "--mirror", host.url]) == 0
    assert (tmp_path / "data" / f"{name}.npz").read_bytes() == content
    assert [wanted for _, wanted in host.asked] == [None, "bytes=131072-"]
    capsys.readouterr()
    assert main(["data", "status", *words]) == 0
    assert f"{task}: present" in capsys.readouterr().out


def test_what_medmnist_has_is_used_without_a_copy(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official = shared_data("medmnist", "breastmnist.npz")
    place = tmp_path / "home" / ".medmnist" / "breastmnist.npz"
    place.parent.mkdir(parents=True)
    shutil.copy(official, place)
    (tmp_path / "data").mkdir()
    words: list[Any] = ["breast-28", "--data-dir", str(tmp_path / "data")]
    assert main(["data", "fetch", *words, "--mirror", host.url]) == 0
    assert capsys.readouterr().out.strip() == str(place)
    assert host.asked == []
    place.write_bytes(b"damaged")
    assert main(["data", "status", *words]) == 0
    out = capsys.readouterr().out
    assert "breast-28: wrong checksum, its MD5 is" in out
    command = f"crossbench data fetch {words[0]} --data-dir {words[2]}\n"
    assert f"next: delete the file, then {command}" in out


def test_what_ships_is_not_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", "nodule-malignancy-3d", "--data-dir", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "nodule-malignancy-3d: present, nothing to fetch\n"
