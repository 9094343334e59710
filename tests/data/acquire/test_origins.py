"""From a registered card's origin on a server to an imported task; removal; the Hub."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock
from http_host import Host, serving
from msgspec import structs
from PIL import Image
from shared_data import shared_data

from crossbench.cli import main
from crossbench.cli.data.importing import run_import
from crossbench.data.acquire.consents import accept
from crossbench.data.acquire.fetch import Means, fetch
from crossbench.data.acquire.status import status
from crossbench.data.importers.choice import choose
from crossbench.errors import CrossbenchError, FetchError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import find_task, load_tasks
from crossbench.specs.origins import ManualOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host()) as host:
        yield host


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CROSSBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def busbra(images: int = 24) -> bytes:
    """A BUS-BRA of few pictures, packed as the publisher packs it."""
    random, table, packed = np.random.default_rng(0), io.StringIO(), io.BytesIO()
    rows = csv.writer(table)
    rows.writerow(["ID", "Case", "Pathology"])
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(images):
            name = f"bus_{number // 2:04d}-{'lr'[number % 2]}"
            rows.writerow([name, number // 2, ("benign", "malignant")[number // 2 % 2]])
            picture = io.BytesIO()
            Image.fromarray(random.integers(0, 255, (40, 50), np.uint8)).save(picture, "PNG")
            archive.writestr(f"BUSBRA/Images/{name}.png", picture.getvalue())
        archive.writestr("BUSBRA/bus_data.csv", table.getvalue())
    return packed.getvalue()


def small_card(folder: Path, content: bytes, host: Host) -> Path:
    """The card of breast-cancer with the facts of a small archive."""
    card = find_task("breast-cancer").path
    assert card is not None
    text = card.read_text(encoding="utf-8")
    for before, after in (
        ('name = "breast-cancer"', 'name = "small"'),
        ("https://zenodo.org/", f"{host.url}/"),
        ("bytes = 133_917_740", f"bytes = {len(content)}"),
        ("1f8b2be6476d58fc97bfb5e5a1ea9bab", hashlib.md5(content).hexdigest()),
        ("class_counts = [1268, 607]", ""),
        ("samples = 1875", "samples = 24"),
    ):
        assert before in text
        text = text.replace(before, after)
    file = folder / "small.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_original_is_fetched_unpacked_imported_and_removed(
    host: Host, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = busbra()
    host.files["/api/records/8231412/files/BUSBRA.zip/content"] = content
    card = str(small_card(tmp_path, content, host))
    assert main(["data", "fetch", card]) == 0, capsys.readouterr().err
    file = Path(capsys.readouterr().out.strip())
    with np.load(file) as archive:
        assert archive["images"].shape[0] == 24
        assert len(set(archive["groups"].tolist())) == 12
    folder = data / "originals" / "small" / "zenodo"
    assert [each.name for each in folder.iterdir() if each.is_dir()] == ["BUSBRA"]
    assert not (folder / "BUSBRA.zip").exists()
    assert main(["data", "fetch", card]) == 0
    assert len(host.asked) == 1
    capsys.readouterr()
    assert main(["data", "status", card, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["state"], found["file"], found["to_fetch"]) == ("present", str(file), 0)
    assert main(["data", "remove", card]) == 0
    said = capsys.readouterr()
    assert f"version {file.stem}: " in said.err
    assert str(folder.parent) in said.out
    assert not any(each.is_file() for each in data.rglob("*") if each.suffix != ".lock")


def abide(host: Host, recordings: int) -> list[str]:
    """Serve ABIDE's table and a short recording for each row that passed; the files' names."""
    columns = ["SUB_ID", "SITE_ID", "FILE_ID", "DX_GROUP", "AGE_AT_SCAN", "SEX", "func_mean_fd"]
    passed = {
        "qc_rater_1": "OK",
        "qc_anat_rater_2": "maybe",
        "qc_func_rater_2": "OK",
        "qc_anat_rater_3": "OK",
        "qc_func_rater_3": "OK",
    }
    people = [
        [
            50000 + n,
            f"SITE{n % 2}",
            f"Site_{50000 + n:07}",
            1 + n % 2,
            20.5,
            1,
            0.1,
            *passed.values(),
        ]
        for n in range(recordings)
    ]
    nameless, failed = people[0].copy(), people[0].copy()
    nameless[2], failed[2], failed[7] = "no_filename", "Site_0060000", "fail"
    table = io.StringIO()
    rows = [[*columns, *passed], nameless, failed, *people]
    csv.writer(table).writerows(["", *row] for row in rows)
    projects = "/fcp-indi/data/Projects/ABIDE_Initiative"
    host.files[f"{projects}/Phenotypic_V1_0b_preprocessed1.csv"] = table.getvalue().encode()
    volumes = np.random.default_rng(0).standard_normal((recordings, 12, 4)).round(3)
    names = [f"{person[2]}_rois_cc200.1D" for person in people]
    for name, values in zip(names, volumes, strict=True):
        lines = ["#1\t#2\t#3\t#4", *("\t".join(map(str, each)) for each in values.tolist())]
        place = f"{projects}/Outputs/cpac/filt_noglobal/rois_cc200/{name}"
        host.files[place] = "\n".join(lines).encode()
    return names


def test_files_that_a_table_lists_are_fetched_and_imported(host: Host, data: Path) -> None:
    """The registered origin of ABIDE, through a mirror, with few recordings."""
    names, root = abide(host, recordings=12), DataRoot(data)
    card = find_task("abide-diagnosis")
    origin = structs.replace(card.origins[0], samples=12, class_counts=(6, 6))
    card = replace(card, origins=(origin,))
    means = Means(mirror=host.url)
    with pytest.raises(RequestError, match="--accept-licence ABIDE"):
        fetch(card, origin, root, means)
    accept(root, ["ABIDE"], [card])
    assert status(card, root).to_fetch is None
    place = next(each for each in host.files if each.endswith(names[-1]))
    kept = host.files.pop(place)
    with pytest.raises(FetchError, match=f"{names[-1]}: the server answers 404"):
        fetch(card, origin, root, means)
    host.files[place], host.asked = kept, []
    got = fetch(card, origin, root, means)
    assert [each for each, _ in host.asked] == [place]
    assert [file.name for file in got.files[1:]] == names
    assert len(got.unverified) == 13
    assert status(card, root).to_fetch == 0
    made = run_import(choose(card, root, origin="pcp"), root)
    assert [each.label for each in made.listing.samples] == [1, 0] * 6
    assert [each.site for each in made.listing.samples] == ["SITE0", "SITE1"] * 6
    with np.load(made.file) as archive:
        assert archive["images"].shape[:2] == (12, 4)


def test_a_table_of_another_form_is_refused(host: Host, data: Path) -> None:
    root, card = DataRoot(data), find_task("abide-diagnosis")
    accept(root, ["ABIDE"], [card])
    abide(host, recordings=2)
    table = next(iter(host.files))
    whole = host.files[table]
    for column, to, complaint in (
        (b"qc_rater_1", b"quality", "no column 'qc_rater_1', by which the card lists its files"),
        (b"Site_0050000", b"../Site", r"file '\.\./Site_rois_cc200\.1D' .* is no plain name"),
    ):
        host.files[table] = whole.replace(column, to)
        with pytest.raises(CrossbenchError, match=complaint):
            fetch(card, card.origins[0], root, Means(mirror=host.url))
        shutil.rmtree(data / "originals")


def test_a_file_of_the_hub(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, commit = np.random.default_rng(0).bytes(50_000), "0123456789abcdef" * 2 + "01234567"
    path = "datasets/convergedmachine/Enhanced-MedMNIST/resolve"
    host.files[f"/{path}/main/brainmrimnist_224.npz"] = content
    host.files[f"/{path}/{commit}/brainmrimnist_224.npz"] = content
    host.headers = {"X-Repo-Commit": commit}
    monkeypatch.setenv("HF_ENDPOINT", host.url)
    assert main(["data", "fetch", "brain"]) == 0, capsys.readouterr().err
    assert (data / "brainmrimnist_224.npz").read_bytes() == content
    said = capsys.readouterr().err
    assert (
        f"unverified: brainmrimnist_224.npz: SHA-256 {hashlib.sha256(content).hexdigest()}" in said
    )
    receipt = json.loads((data / "receipts" / "brain" / "authors.json").read_text())
    assert receipt["brainmrimnist_224.npz"]["revision"] == commit
    assert status(find_task("brain"), DataRoot(data)).state == "unverified"


def test_what_stopped_fetches_and_imports_left_is_cleaned(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, imports = data / "originals" / "ixi" / "brain-development", data / "imported" / "ixi"
    for place in (folder / ".IXI-T1.unpacking", imports / ".work-ab", folder / "IXI-T2"):
        place.mkdir(parents=True)
        (place / "file").write_bytes(b"1")
    for file in (data / ".a.npz.part", data / ".a.npz.part.json", data / ".b.npz.part"):
        file.write_bytes(b"1")
    old, new = "0" * 16, "1" * 16
    for version in (old, new):
        (imports / f"{version}.npz").write_bytes(b"1")
    DataRoot(data).use("ixi", new)
    with FileLock(data / ".b.npz.lock"):
        assert main(["data", "clean"]) == 0
    said = capsys.readouterr()
    kept = {each.relative_to(data).as_posix() for each in data.rglob("*") if each.is_file()}
    assert kept - {".b.npz.lock"} == {
        ".b.npz.part",  # another process fetches it
        "originals/ixi/brain-development/IXI-T2/file",
        f"imported/ixi/{new}.npz",
        "imported/ixi/current",
    }
    assert f"version {old}: 0 records in results pinned to it" in said.err


def test_every_task_says_how_it_is_had(data: Path) -> None:
    cards = [card for card in load_tasks().values() if not card.embedded]
    assert len(cards) == 17
    for card in cards:
        now = status(card, DataRoot(data))
        assert now.state == "absent"
        assert now.command.startswith(f"crossbench data fetch {card.name}")
        for origin in card.origins:
            assert origin.steps or not isinstance(origin, ManualOrigin)
            assert bool(origin.terms) >= bool(origin.accept)


def test_the_table_of_states_fits_80_columns(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "status"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_a_dry_run_says_what_it_would_fetch_and_fetches_nothing(
    host: Host, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--task", "breast-28,breast", "--method", "conv2d", "--preset", "standard"]
    words += ["--dry-run", "--fetch", "--mirror", host.url, "--out", str(tmp_path / "results")]
    assert main(["run", *words]) == 0
    said = capsys.readouterr().err
    assert "would fetch breast-28: unknown\nwould fetch breast: 30.9 MB" in said
    assert not host.asked


@pytest.mark.slow
def test_a_run_fetches_what_is_not_there(
    host: Host, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = shared_data("medmnist", "breastmnist.npz").read_bytes()
    host.files["/records/10519652/files/breastmnist.npz"] = content
    words = ["--task", "breast-28", "--method", "conv2d", "--preset", "standard", "--limit", "1"]
    words += ["--protocol", "linear-probe", "--fetch", "--mirror", host.url]
    assert main(["run", *words, "--out", str(tmp_path / "results")]) == 0
    assert "1 runs done, 0 failed" in capsys.readouterr().err
    assert len(host.asked) == 1
