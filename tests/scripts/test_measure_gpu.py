"""The measurement of a GPU, tiny and on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from measure_gpu import main, put

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_measured_stands_between_the_markers() -> None:
    document = "a\n<!-- gpu -->\nold\n<!-- gpu end -->\nb\n"
    there = put(document, "new")
    assert there == "a\n<!-- gpu -->\nnew\n<!-- gpu end -->\nb\n"
    assert put(there, "new") == there
    with pytest.raises(SystemExit, match=r"has no <!-- gpu --> ... <!-- gpu end -->; add the two"):
        put("a", "new")


@pytest.mark.slow
def test_every_table_is_made(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("<!-- gpu --><!-- gpu end -->")
    assert main(["--device", "cpu", "--tiny", "--into", str(document)]) == 0
    said = document.read_text()
    for head in ("nn.Conv2d", "training step", "plain loop, s", "runs an hour"):
        assert head in said
    assert said.count(f"(CPU, torch {torch.__version__})") == 4
    assert "as eager" in said
