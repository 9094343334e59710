"""What is decided about a folder of real files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made_scans import CLASSES, class_folders, pixels, save_picture, save_table, save_volume
from PIL import Image

from crossbench.data.new.choices import Choices
from crossbench.data.new.draft import Draft, look
from crossbench.errors import DataError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def said(draft: Draft, topic: str) -> list[str]:
    return [remark.shown for remark in draft.remarks if remark.topic == topic]


def volumes(root: Path, *each: dict[str, Any], shape: Sequence[int] = (34, 33, 32)) -> Choices:
    pytest.importorskip("nibabel")
    for number, given in enumerate(each * 2):
        options = dict(given)
        voxels = pixels(number, *options.pop("shape", shape)).astype(options.pop("dtype", np.int16))
        save_volume(root / CLASSES[number % 2] / f"{number}.nii.gz", voxels, **options)
    return Choices(folder=root)


# ------------------------------------------------------------------------------- pictures


def test_gray_pictures_that_were_saved_in_colour_are_gray(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    copied = np.repeat(pixels(2, 40, 40)[..., None], 3, axis=2)
    Image.fromarray(copied).save(folder / "benign" / "copied.png")
    draft = look(Choices(folder=folder))
    assert (draft.shape, draft.dtype, draft.input_size) == ((1, 40, 40), "uint8", 40)
    assert said(draft, "channels") == [
        "All pictures are gray: one channel",
        "1 picture saved in colour though all channels are equal: taken as gray: benign/copied.png",
    ]
    save_picture(folder / "benign" / "colour.png", 2, 40, 40, 3)
    draft = look(Choices(folder=folder))
    assert draft.shape == (3, 40, 40)
    assert said(draft, "channels")[0] == "Three channels: 13 gray pictures of 14 repeated in each"


def test_what_decoding_changes_is_said(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    colour = Image.fromarray(pixels(2, 40, 40, 3))
    colour.quantize(8).save(folder / "benign" / "palette.png")
    colour.convert("CMYK").save(folder / "benign" / "cmyk.JPG")
    colour.convert("RGBA").save(folder / "benign" / "alpha.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(folder / "benign" / "phone.jpeg", exif=exif)
    Image.fromarray(pixels(3, 40, 40) > 180).save(folder / "malignant" / "bits.png")
    assert said(look(Choices(folder=folder)), "channels")[1:] == [
        "1 picture with a palette: taken as the colours that it names: benign/palette.png",
        "1 picture in black and white: taken as 0 and 255: malignant/bits.png",
        "1 picture in CMYK: converted to RGB: benign/cmyk.JPG",
        "1 picture with transparency, which is dropped: benign/alpha.tif",
        "1 picture turned upright, as the orientation in their EXIF data says: benign/phone.jpeg",
    ]


def test_sixteen_bits_are_kept_and_not_mixed_with_eight(tmp_path: Path) -> None:
    for number in range(8):
        file = tmp_path / CLASSES[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels(number, 40, 40).astype(np.uint16) * 200).save(file)
    assert look(Choices(folder=tmp_path)).dtype == "uint16"
    save_picture(tmp_path / "benign" / "9.png", 9, 40, 40)
    with pytest.raises(DataError, match=r"several depths \(8 of uint16 and 1 of uint8\)"):
        look(Choices(folder=tmp_path))


def test_sizes_are_brought_to_one(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    save_picture(folder / "benign" / "wide.png", 0, 30, 80)
    draft = look(Choices(folder=folder))
    assert (draft.shape, draft.preparation.size, draft.preparation.fit) == (
        (1, 224, 224),
        (224, 224),
        "pad",
    )
    assert said(draft, "size")[0] == (
        "Pictures have 2 sizes, 30x40 to 40x80 (HxW): resized in proportion to fit into 224x224, "
        "the rest filled with their lowest value"
    )
    draft = look(Choices(folder=folder, size=(20, 30), fit="stretch"))
    assert (draft.shape, draft.preparation.fit) == ((1, 20, 30), "stretch")
    with pytest.raises(RequestError, match=r"--size or --crop 1,2,3: give one number, or 2"):
        look(Choices(folder=folder, size=(1, 2, 3)))
    with pytest.raises(RequestError, match="--spacing resamples volumes, and these are pictures"):
        look(Choices(folder=folder, spacing=(1.0,)))


def test_damaged_files_are_named_or_left_out(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    for name in "12345":
        (folder / "benign" / f"bad{name}.png").write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"(?s)5 files cannot be read: .*bad1.*bad2.*bad3.*; \.\.\.\n--skip-d"
    ):
        look(Choices(folder=folder))
    draft = look(Choices(folder=folder, skip_damaged=True))
    assert draft.class_counts == (6, 6)
    assert "5 files left out: damaged, or of a form that is not read" in said(draft, "left out")[0]


# ------------------------------------------------------------------------ classes, splits


def test_an_empty_class_folder_is_no_class(tmp_path: Path) -> None:
    (class_folders(tmp_path) / "unsure").mkdir()
    assert look(Choices(folder=tmp_path)).classes == CLASSES


def test_a_split_of_folders_is_the_official_one(tmp_path: Path) -> None:
    for part in ("train", "Val", "test"):
        class_folders(tmp_path / part)
    assert look(Choices(folder=tmp_path)).official == "train 12, val 12, test 12"


def test_a_table_in_the_folder_is_found_and_the_richest_taken(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    names = sorted(each.stem for each in folder.glob("*/*"))
    rows = [{"id": name, "label": f"k{number % 3}"} for number, name in enumerate(names)]
    save_table(folder / "folds.csv", rows)
    save_table(folder / "sizes.csv", [{"name": "a", "width": 3}])
    draft = look(Choices(folder=folder))
    assert draft.classes == ("k0", "k1", "k2")
    assert said(draft, "table")[1].endswith("(--csv and --label choose): sizes.csv")
    save_table(folder / "more.csv", [row | {"patient": row["id"][:3]} for row in rows])
    assert look(Choices(folder=folder)).group == "patient"
    save_table(folder / "most.csv", [row | {"case": row["id"][:3]} for row in rows])
    with pytest.raises(DataError, match=r"each of more\.csv, most\.csv may say .* choose by --csv"):
        look(Choices(folder=folder))
    assert look(Choices(folder=folder, table=folder / "most.csv")).group == "case"


def test_columns_need_a_table(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="--label names a column; name its table by --csv, there is n"
    ):
        look(Choices(folder=class_folders(tmp_path), columns={"label": "kind"}))
    for each in tmp_path.glob("*/*"):
        each.rename(tmp_path / each.name)
    (tmp_path / "table.xlsx").touch()
    with pytest.raises(
        DataError, match=r"lie in no class folders.*table\.xlsx is not read: save it"
    ):
        look(Choices(folder=tmp_path))


def test_names_that_begin_alike_hint_at_patients(tmp_path: Path) -> None:
    hints = said(look(Choices(folder=class_folders(tmp_path))), "groups")
    assert hints[0].startswith("Groups are not known: samples of one patient may lie on both sides")
    assert hints[1].startswith("12 file names begin as others do, up to their first number")
    for number, file in enumerate(sorted(tmp_path.glob("*/*"))):
        file.rename(file.with_name(f"scan ({number // 2}).png"))
    assert len(said(look(Choices(folder=tmp_path)), "groups")) == 1  # counters, in each folder


@pytest.mark.parametrize(
    ("name", "message"), [("My Scans", "kebab"), ("blood", "a registered task's")]
)
def test_names_that_no_task_can_have_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        look(Choices(folder=tmp_path, name=name))


# ------------------------------------------------------------------------------- volumes


def test_volumes_are_brought_to_one_orientation(tmp_path: Path) -> None:
    choices = volumes(tmp_path, {"axes": "LPS"}, {"axes": "LPS"}, {"axes": "PIR"})
    draft = look(choices)
    assert (draft.shape, draft.dtype, draft.kind) == ((1, 32, 33, 34), "int16", "volume")
    assert (draft.preparation.orientation, draft.preparation.unoriented) == ("RAS", False)
    assert said(draft, "orientation") == [
        "Volumes are brought to RAS (4 LPS, 2 PIR) and stored z, y, x"
    ]
    assert said(draft, "spacing") == ["The spacing is 1 x 1 x 1 mm (DxHxW)"]


def test_volumes_without_orientation_and_oblique_ones_are_named(tmp_path: Path) -> None:
    nibabel: Any = pytest.importorskip("nibabel")
    choices = volumes(tmp_path, {}, {"code": 0})
    angle = np.radians(20)
    tilted = np.eye(4)
    tilted[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    nibabel.Nifti1Image(pixels(1, 34, 33, 32), tilted).to_filename(tmp_path / "benign" / "t.nii")
    draft = look(choices)
    assert draft.preparation.unoriented
    lines = said(draft, "orientation")
    assert "2 volumes without a stated orientation (sform and qform code 0), stored" in lines[1]
    assert lines[1].endswith("left may be right: malignant/1.nii.gz, malignant/3.nii.gz")
    assert lines[2].startswith("1 volume oblique, by up to 20 degrees: axes are swapped and rever")
    assert said(draft, "values") == [
        "Values are stored in several types (4 int16, 1 uint8), as int16 together"
    ]


def test_mixed_spacings_want_one(tmp_path: Path) -> None:
    choices = volumes(tmp_path, {"spacing": (0.5, 0.5, 2)}, {"spacing": (0.7, 0.7, 1)})
    message = r"spacings, 1 to 2 x 0\.5 to 0\.7 x 0\.5 to 0\.7 mm \(DxHxW\).*--spacing 0\.6 --crop"
    with pytest.raises(DataError, match=message):
        look(choices)
    with pytest.raises(
        DataError, match=r"2 different shapes.*--crop 48,33,34, or resize.*--shape 48"
    ):
        look(replace(choices, spacing=(1.0, 0.6, 0.6)))
    draft = look(replace(choices, spacing=(1.0,), size=(32,), fit="centre"))
    assert draft.shape == (1, 32, 32, 32)
    assert draft.preparation.resampled
    sizes, cut = said(draft, "size")
    assert sizes.startswith("Volumes have 32 to 64 x 16 to 23 x 17 to 24 voxels (DxHxW) then: cut")
    assert cut == "That cuts something off 2 of 4 volumes and fills 4 up"
    draft = look(replace(choices, spacing=(2.0, 1.0, 1.0), size=(20, 40, 40)))
    assert "The shortest side has 20 voxels, and a ResNet-18" in said(draft, "doubt")[0]


def test_volumes_of_several_channels_are_not_mixed(tmp_path: Path) -> None:
    choices = volumes(tmp_path, {}, {"shape": (34, 33, 32, 2)})
    with pytest.raises(DataError, match=r"several numbers of channels \(2 of 1 and 2 of 2\)"):
        look(choices)


def test_a_fourth_axis_is_said_to_be_channels(tmp_path: Path) -> None:
    draft = look(volumes(tmp_path, {"shape": (34, 33, 32, 2)}))
    assert draft.shape == (2, 32, 33, 34)
    assert said(draft, "channels") == [
        "The fourth axis of the volumes holds 2 images, taken as channels"
    ]


def test_a_series_of_volumes_is_refused_by_name(tmp_path: Path) -> None:
    choices = volumes(tmp_path, {}, {"shape": (8, 8, 8, 5)})
    with pytest.raises(DataError, match=r"1\.nii\.gz: holds 5 volumes .*such as time points; save"):
        look(choices)
