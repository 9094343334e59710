"""``crossbench data verify`` as a user meets it."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from crossbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_verdict_in_words_as_json_and_as_a_page(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(3).integers(0, 256, (60, 18, 18), dtype=np.uint8)
    card = make_task(dimension=2, images=images, extra="shape = [18, 18]")
    words = ["data", "verify", str(card), "--data-dir", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("blobs: holds, ")
    assert "shape (H, W) is [18, 18], as the card says" in " ".join(said.split())
    page = tmp_path / "verdict.html"
    assert main([*words, "--json", "--html", str(page)]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["holds"] is True
    assert verdict["verdict"].startswith("blobs: holds")
    assert len(verdict["content"]) == 64
    assert {"check", "level", "text", "count", "samples"} == verdict["findings"][0].keys()
    text = page.read_text(encoding="utf-8")
    assert "<title>Verdict on Blobs</title>" in text
    assert verdict["content"] in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)  # self-contained
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert Image.open(io.BytesIO(base64.b64decode(picture))).width > 500


def test_what_does_not_hold_exits_with_1(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = make_task(dimension=2, extra="shape = [9, 9]")
    page = tmp_path / "verdict.html"
    words = ["data", "verify", str(card), "--data-dir", str(tmp_path), "--html", str(page)]
    assert main(words) == 1
    assert "blobs: does not hold (" in capsys.readouterr().out
    assert "<img" in page.read_text(encoding="utf-8")
    (tmp_path / "blobs.npz").write_bytes(b"PK")
    assert main(words) == 1
    assert "blobs: does not hold (1 fault)" in capsys.readouterr().out
    assert "<img" not in page.read_text(encoding="utf-8")
    (tmp_path / "blobs.npz").unlink()
    assert main(words) == 2
    assert "task 'blobs': no blobs.npz in" in capsys.readouterr().err


@pytest.mark.parametrize("dimension", [2, 3])
def test_show(
    make_task: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dimension: int,
) -> None:
    card = make_task(dimension=dimension)
    out = tmp_path / "blobs.png"
    words = ["data", "show", str(card), "--data-dir", str(tmp_path), "--out"]
    assert main([*words, str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.height > (2 * 3 * 96 if dimension == 3 else 2 * 96)
    assert main([*words, str(tmp_path / "blobs.jpg")]) == 2
    assert "a PNG picture is written; call it .png" in capsys.readouterr().err
    assert main([*words, str(out), "--per-class", "0"]) == 2
    assert "--per-class 0: draw from 1 to 100 samples" in capsys.readouterr().err
