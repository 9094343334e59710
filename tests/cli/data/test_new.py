"""``crossbench data new`` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_scans import (
    CLASSES,
    class_folders,
    pixels,
    save_picture,
    save_table,
    save_volume,
    scans_with_table,
)
from new_task import FAST, Called, call_new, predicted, work_in
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from crossbench.cli import main
from crossbench.registry.tasks import load_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_in(tmp_path, monkeypatch)


@pytest.fixture
def new(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call ``crossbench data new``; returns exit code, stdout, stderr."""
    return partial(call_new, capsys)


@pytest.mark.parametrize("kind", ["pictures", "volumes"])
def test_a_folder_becomes_a_task_that_predicts_its_own_files(
    new: Callable[..., Called], place: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    if kind == "pictures":
        folder = class_folders(place / "own", samples=24, shape=(44, 40))
        options, method = ["--size", "36", "--group-from-name", r"^p\d+"], "conv2d"
    else:
        pytest.importorskip("nibabel")
        folder = scans_with_table(place / "own", samples=24)
        options, method = ["--spacing", "1.5", "--crop", "32"], "conv3d"
    code, out, err = new(folder, *options, "--keep-ids")
    assert code == 0, err
    assert "benign 12, malignant 12" in out
    card = load_card(place / "mine.toml")
    assert card.class_counts == (12, 12)
    grid = ["--task", "./mine.toml", "--method", method, "--seeds", "43", "--folds", "0"]
    assert main(["run", *grid, "--preset", "smoke", "--save-weights", "--out", "out", *FAST]) == 0
    capsys.readouterr()
    (record,) = (place / "out").glob(f"*/mine/{method}/*.json")
    (stored,) = (place / "root" / "imported" / "mine").glob("*.npz")
    files = [folder / name for name in np.load(stored)["ids"]]
    ours, theirs = (predicted(record, *each, capsys=capsys) for each in (files, [stored]))
    assert len(set(theirs[:, 0])) == 24
    assert np.allclose(ours, theirs, atol=1e-6)


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    new: Callable[..., Called], place: Path
) -> None:
    folder = class_folders(place / "own")
    code, out, _ = new(folder, "--dry-run")
    assert code == 0
    assert out.startswith("12 pictures of 2 classes\n")
    for said in (
        "Classes are the names of folders",
        "Groups are not known",
        "All pictures are gray: one channel",
        "All pictures have 40x40 pixels (HxW)",
        "--group-from-name '^\\D*\\d+'",
    ):
        assert said in " ".join(out.split()), said
    code, out, _ = new(folder, "--dry-run", "--json")
    assert json.loads(out)["classes"] == {"benign": 6, "malignant": 6}
    assert sorted(each.name for each in place.iterdir()) == ["own"]


def test_a_card_is_not_written_over_unasked(new: Callable[..., Called], place: Path) -> None:
    folder = class_folders(place / "own")
    assert new(folder)[0] == 0
    code, _, err = new(folder)
    assert code == 2
    assert "mine.toml is there already; give another --name, or --overwrite" in err
    code, _, err = new(place / "nowhere")  # what is wrong with the folder comes first
    assert (code, "nowhere: no such folder" in err) == (2, True)
    assert new(folder, "--overwrite", "--title", 'Süße "Bilder"\t')[0] == 0
    assert load_card(place / "mine.toml").title == 'Süße "Bilder"\t'


def test_what_resizing_hides_of_the_files_is_kept_for_verify(
    new: Callable[..., Called], place: Path
) -> None:
    folder = class_folders(place / "own")
    save_picture(folder / "benign" / "wide.png", 0, 30, 80)
    assert new(folder, "--size", "32", "--keep-ids")[0] == 0
    (file,) = (place / "root" / "imported" / "mine").glob("*.npz")
    data = np.load(file)
    sides = dict(zip(data["ids"].tolist(), data["acquisition"].tolist(), strict=True))
    assert sides.pop("benign/wide.png") == [30, 80]
    assert set(map(tuple, sides.values())) == {(40, 40)}
    assert data["images"].shape == (13, 32, 32)


def test_files_whose_names_differ_in_case_alone_are_two(
    new: Callable[..., Called], place: Path
) -> None:
    folder, rows = place / "own", []
    for number in range(12):
        name = f"{CLASSES[number // 2 % 2]}/{'aA'[number % 2]}{number // 4}.png"
        save_picture(folder / name, number, 40, 40)
        who = "P1" if number < 4 else ""
        rows.append({"file": name, "label": name.partition("/")[0], "patient": who})
    save_table(folder / "t.csv", rows)
    code, _, err = new(folder)
    assert code == 0, err
    (stored,) = (place / "root" / "imported" / "mine").glob("*.npz")
    data = np.load(stored)
    assert len(set(data["ids"])) == 12
    assert len(set(data["groups"])) == 9  # four of one patient, and eight of whom nothing is known


def test_blank_samples_are_said(new: Callable[..., Called], place: Path) -> None:
    folder = class_folders(place / "own")
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "benign" / "blank.png")
    code, out, _ = new(folder)
    assert code == 0
    assert "doubt        1 sample holds one value only, blank or constant:" in out


def test_a_killed_command_goes_on_where_it_was(new: Callable[..., Called], place: Path) -> None:
    folder = class_folders(place / "own", samples=300, shape=(200, 200))
    command = [sys.executable, "-m", "crossbench", "data", "new", "--from", str(folder)]
    work = place / "root" / "imported" / "mine"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while len(list(work.glob(".work-*/*.npy"))) < 20 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
    assert 20 <= len(list(work.glob(".work-*/*.npy"))) < 300
    assert not list(work.glob("*.npz"))
    assert not (place / "mine.toml").exists()
    assert new(folder)[0] == 0
    (file,) = work.glob("*.npz")
    assert len(np.load(file)["labels"]) == 300
    assert new(folder, "--name", "whole")[0] == 0
    assert [each.name for each in work.parent.glob("whole/*.npz")] == [file.name]


def test_names_of_any_bytes_are_taken(new: Callable[..., Called], place: Path) -> None:
    folder = class_folders(place / "own")
    (folder / "benign").rename(folder / os.fsdecode(b"gutartig \xe4"))
    (folder / "malignant").rename(folder / 'b\u00f6s "\n"')
    code, _, err = new(folder)
    assert code == 0, err
    assert load_card(place / "mine.toml").classes == ('b\u00f6s "\n"', "gutartig \\udce4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "My Scans"], "--name 'My Scans' must be in kebab case, such as 'brain-tumor'"),
        (["--name", "a" * 300], "a' must not be longer than 64 characters"),
        (["--name", "all"], "--name 'all' must not be 'all', which stands for all tasks"),
        (["--crop", "8", "--fit", "pad"], "--crop does not resize, and --fit pad says how; drop"),
        (["--csv", "none.csv"], "none.csv: cannot be read as a table"),
        (["--spacing", "1"], "--spacing resamples volumes, and these are pictures; use --size"),
    ],
)
def test_what_does_not_fit_is_refused(
    new: Callable[..., Called], place: Path, arguments: list[str], message: str
) -> None:
    code, out, err = new(class_folders(place / "own"), *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "0"], "'0' must be whole numbers from 1, parted by commas"),
        (["--spacing", "1,x"], "'1,x' must be positive numbers of mm, parted by commas"),
        (["--group-from-name", "("], "'(' is no regular expression"),
        (["--size", "8", "--crop", "8"], "not allowed with argument --size"),
    ],
)
def test_what_is_no_value_is_refused(
    new: Callable[..., Called],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit):
        new(place, *arguments)
    assert message in capsys.readouterr().err


# -------------------------------------------------------------------------------- privacy

NAME, BORN, STREET, NUMBER = "Mustermann", "19610823", "Lindenallee", "4711-0815"
PLANTED = (NAME, BORN, STREET, NUMBER)


def planted_pictures(root: Path) -> Path:
    """Identifiers in names, folders, text chunks and EXIF data; two pictures a patient."""
    for number in range(24):
        who = f"{NAME}{number // 2:02}_{BORN}"
        info = PngInfo()
        info.add_text("Patient", f"{NAME} {STREET}")
        exif = Image.Exif()
        exif[0x010E], exif[0x013B] = f"{NAME} {BORN}", STREET
        file = root / NAME / CLASSES[number // 2 % 2] / who / f"{NUMBER}_{number}.png"
        save_picture(file, number // 2, 40, 40, pnginfo=info, exif=exif)
    (root / NAME / ".hidden").write_text(NAME)
    (root / f"{NAME}.txt").write_text(STREET)
    return root


def planted_volumes(root: Path) -> Path:
    """Identifiers in names, in a table and in every text field of the headers."""
    rows = []
    for number in range(24):
        name = f"{NAME}{number // 2}-{number}"
        header = {"descrip": f"{NAME} {STREET}", "aux_file": NUMBER, "intent_name": STREET}
        voxels = pixels(number, 32, 32, 32)
        save_volume(root / STREET / f"{name}.nii.gz", voxels, db_name=NAME, **header)
        who = {"file": name, "patient_name": f"{NAME}, {number // 2}", "born": BORN}
        what = {f"read by {NAME}": number % 2, f"of {STREET}": f"{NUMBER}/{number // 2}"}
        rows.append(who | {"address": STREET} | what)
    rows += [rows[0] | {"file": f"{NAME}-lost"}, rows[0]]
    save_table(root / f"{NAME}.csv", rows)
    return root


def written(place: Path, *, beside: Path) -> dict[str, bytes]:
    """The names and bytes of all files below a folder, those of packed members too."""
    found = {}
    for file in place.rglob("*"):
        if file.is_file() and beside not in file.parents:
            name = file.relative_to(place).as_posix()
            found[name] = name.encode() + file.read_bytes()
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    found |= {f"{name}/{each}": archive.read(each) for each in archive.namelist()}
    return found


@pytest.mark.parametrize(
    ("plant", "method", "options"),
    [
        (planted_pictures, "conv2d", []),
        (planted_volumes, "conv3d", ["--label", f"read by {NAME}", "--group", f"of {STREET}"]),
    ],
)
def test_no_identifier_reaches_anything_that_is_written(
    new: Callable[..., Called],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    plant: Callable[[Path], Path],
    method: str,
    options: list[str],
) -> None:
    pytest.importorskip("nibabel")
    folder = plant(place / f"{NAME}_{STREET}")
    code, out, err = new(folder, *options)
    assert code == 0, err
    assert "12 groups" in out
    assert "replaced by keyed hashes" in out
    grid = ["--task", "./mine.toml", "--method", method, "--seeds", "43", "--folds", "0"]
    kept = ["--preset", "smoke", "--save-weights", "--diagnostics", "--out", "out", *FAST]
    assert main(["run", *grid, *kept]) == 0
    capsys.readouterr()
    assert main(["report", "out", "--format", "html"]) == 0
    files = written(place, beside=folder) | {"report": capsys.readouterr().out.encode()}
    assert {"mine.toml", "root/salt"} < files.keys()
    assert any(name.endswith(".safetensors") for name in files)
    for name, content in files.items():
        for text in PLANTED:
            for code_page in ("utf-8", "utf-16-le", "utf-32-le"):  # as arrays of text hold it
                assert text.casefold().encode(code_page) not in content.lower(), (name, text)


def test_the_salt_is_the_users_alone_and_decides_the_hashes(
    new: Callable[..., Called], place: Path
) -> None:
    folder = class_folders(place / "own")
    grouped = ["--group-from-name", r"^p\d+"]
    hashes = []
    for name in ("first", "second"):
        assert new(folder, "--name", name, *grouped)[0] == 0
        (file,) = (place / "root" / "imported" / name).glob("*.npz")
        hashes.append(set(np.load(file)["groups"]))
    salt = place / "root" / "salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    assert hashes[0] == hashes[1]  # one person is one person in both
    salt.unlink()
    assert new(folder, "--name", "third", *grouped)[0] == 0
    (file,) = (place / "root" / "imported" / "third").glob("*.npz")
    assert not hashes[0] & set(np.load(file)["groups"])
    salt.write_text("no salt")
    code, _, err = new(folder, "--name", "fourth")
    assert code == 2
    assert "salt: this is no salt of 64 hexadecimal digits; restore it" in err


def test_identifiers_are_kept_where_that_is_asked_for(
    new: Callable[..., Called], place: Path
) -> None:
    folder = class_folders(place / "own")
    assert new(folder, "--keep-ids", "--group-from-name", r"^p\d+")[0] == 0
    (file,) = (place / "root" / "imported" / "mine").glob("*.npz")
    data = np.load(file)
    assert set(data["ids"]) == {each.relative_to(folder).as_posix() for each in folder.glob("*/*")}
    assert set(data["groups"]) == {"p00", "p10", "p01", "p11", "p02", "p12"}
    assert not (place / "root" / "salt").exists()
