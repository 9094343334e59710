"""Methods and tasks are listed from their sources, none of which is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from third_party import listing
from torch import nn

from crossbench.methods import input_kinds
from crossbench.registry import entries
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import load_method
from crossbench.registry.tasks import task_faults


def test_a_listing_imports_neither_torch_nor_a_plugin() -> None:
    found = listing()
    assert {"conv2d", "acs", "conv3d", "crossd"} <= set(found["methods"])
    assert {"vessel", "blood"} <= set(found["tasks"])
    imported = {name.partition(".")[0] for name in found["imported"]}
    assert imported.isdisjoint({"torch", "numpy", "crossbench_tasks", "crossbench_baselines"})


def test_everything_that_ships_is_in_order() -> None:
    assert task_faults() == ()
    assert all(entry.summary[0].isalpha() for entry in method_entries().values())


def test_a_listing_knows_what_each_method_is_evaluated_on() -> None:
    for name, entry in method_entries().items():
        assert entry.inputs == input_kinds(load_method(name))


@pytest.mark.parametrize(
    ("source", "inputs"),
    [
        ("class M:\n    dims: tuple = (2, 3)", ("image", "volume")),
        ("from other import Base as B\nclass M(B): pass", ("volume",)),
        ("from other import M\nclass M(M): pass", ()),
        ("from other import M\nclass M:\n    dims = (3,)", ("volume",)),
        ("from other import M", ("image",)),
        ('class M:\n    inputs = ("signal",)', ("signal",)),
        ("class M:\n    dims = compute()", ()),
        ("class M:\n    dims = 3", ()),
        ("class M: pass", ()),
        ("class M(nn.Module): pass", ()),
        ("class M", ()),
        ("other = 1", ()),
    ],
)
def test_dims_are_read_without_running_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, inputs: tuple[str, ...]
) -> None:
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "other.py").write_text(
        "class Base:\n    dims = (3,)\nclass M:\n    dims = (2,)\nraise SystemExit\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert entries._inputs("mine", "M") == inputs


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        (
            "class M:\n    def __init__(self, a, b=2.0, *, c='x', d=N): pass",
            ("a", "b=2", "c=x", "d=N"),
        ),
        ("from other import Base\nclass M(Base): pass", ("top=null",)),
        ("@dataclass(frozen=True)\nclass M:\n    name: ClassVar = 'm'\n    a: int = 1", ("a=1",)),
        ("class M: pass", ()),
    ],
)
def test_hyperparameters_are_read_without_running_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, taken: tuple[str, ...]
) -> None:
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "other.py").write_text("class Base:\n    def __init__(self, top=None): pass")
    monkeypatch.syspath_prepend(tmp_path)
    assert entries._hyperparameters("mine", "M") == taken


def test_an_installed_package_is_listed(installed: Path) -> None:
    found = listing(installed)
    assert found["methods"]["slicewise"] == {
        "name": "slicewise",
        "target": "example_operator.slicewise:Slicewise",
        "distribution": "example-operator",
        "version": "1.2.0",
        "summary": "Each 2D kernel applied to every slice, with no link between the slices.",
        "inputs": ["volume"],
        "hyperparameters": [],
    }
    assert found["tasks"]["stripes"] == str(installed / "example_operator" / "stripes.toml")
    assert "example_operator" not in found["imported"]
    assert found["faults"] == []


def test_an_installed_method_does_what_it_says(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    method = load_method("slicewise")
    flat = method.layer_2d(nn.Conv2d(2, 4, 3, padding=1))
    volume = torch.rand(1, 2, 5, 9, 9)
    slices = [flat(volume[:, :, depth]) for depth in range(5)]
    torch.testing.assert_close(method.layer_3d(flat)(volume), torch.stack(slices, dim=2))


def test_sources_that_refer_to_one_another_have_no_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one_of_two.py").write_text("from two_of_two import M")
    (tmp_path / "two_of_two.py").write_text("from one_of_two import M")
    (tmp_path / "deep_one.py").write_text("x = " + "(" * 10_000)
    monkeypatch.syspath_prepend(tmp_path)
    assert entries._inputs("one_of_two", "M") == ()
    assert entries._inputs("deep_one", "M") == ()
    assert entries._summary("deep_one").startswith("(unreadable: ")
    assert entries._summary("a..b") == "(module not found)"


def test_a_package_that_is_installed_meanwhile_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert "late" not in {point.entry.name for point in entries.points(entries.METHOD_GROUP)}
    assert "late" not in method_entries()
    about = tmp_path / "late-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[crossbench.methods]\nlate = late:Late\n")
    assert "late" in {point.entry.name for point in entries.points(entries.METHOD_GROUP)}
    assert "late" in method_entries()
