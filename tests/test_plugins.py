"""Methods and tasks of third parties: an installed package, a plugin file, broken ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from crossbench import plugins
from crossbench.cards import task_faults
from crossbench.errors import RequestError
from crossbench.plugins import load_method, load_plugin, method_entries, source_files

PACKAGE = Path(__file__).parent / "plugin_pkg"

LISTING = """
import json, sys
from crossbench.cards import load_presets, load_tasks, task_faults
from crossbench.plugins import method_entries
print(json.dumps({
    "methods": {name: vars(entry) for name, entry in method_entries().items()},
    "tasks": {name: str(card.path) for name, card in load_tasks().items()},
    "presets": list(load_presets()),
    "faults": task_faults(),
    "imported": sorted(sys.modules),
}))
"""

METHOD = """
class Mine:
    name = "mine"
    dims = (2, 3)

    def layer_2d(self, conv):
        return conv

    def layer_3d(self, layer):
        return layer
"""


def python(code: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a second interpreter that finds packages in ``path``, if given, first."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def listing(path: Path | None = None) -> dict[str, Any]:
    """What a second interpreter lists, which must have said nothing else."""
    done = python(LISTING, path=path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the third party's package into."""
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    target = tmp_path_factory.mktemp("installed")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def damaged(installed: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for a test to damage."""
    return shutil.copytree(installed, tmp_path / "installed")


# -------------------------------------------------------------------------- listing


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
        assert entry.dims == load_method(name).dims


@pytest.mark.parametrize(
    ("source", "dims"),
    [
        ("class M:\n    dims: tuple = (2, 3)", (2, 3)),
        ("from other import Base as B\nclass M(B): pass", (3,)),
        ("from other import M\nclass M(M): pass", ()),
        ("from other import M\nclass M:\n    dims = (3,)", (3,)),
        ("from other import M", (2,)),
        ("class M:\n    dims = compute()", ()),
        ("class M:\n    dims = 3", ()),
        ("class M: pass", ()),
        ("class M(nn.Module): pass", ()),
        ("class M", ()),
        ("other = 1", ()),
    ],
)
def test_dims_are_read_without_running_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, dims: tuple[int, ...]
) -> None:
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "other.py").write_text(
        "class Base:\n    dims = (3,)\nclass M:\n    dims = (2,)\nraise SystemExit\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins._dims("mine", "M") == dims


def test_an_installed_package_is_listed(installed: Path) -> None:
    found = listing(installed)
    assert found["methods"]["slicewise"] == {
        "name": "slicewise",
        "target": "example_operator.slicewise:Slicewise",
        "distribution": "example-operator",
        "version": "1.2.0",
        "summary": "Each 2D kernel applied to every slice, with no link between the slices.",
        "dims": [3],
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


# -------------------------------------------------------------------------- damaged


def test_a_listing_does_not_run_a_plugin(damaged: Path) -> None:
    package = damaged / "example_operator" / "__init__.py"
    package.write_text("raise RuntimeError('this package was imported')")
    found = listing(damaged)
    assert {"slicewise", "crossd"} <= set(found["methods"])
    assert {"stripes", "vessel"} <= set(found["tasks"])
    done = python(
        "from crossbench.plugins import load_method; load_method('slicewise')", path=damaged
    )
    assert (
        "RequestError: method 'slicewise' of example-operator cannot be imported from "
        "example_operator.slicewise:Slicewise: RuntimeError('this package was imported')"
    ) in done.stderr


def test_a_plugin_that_is_no_python_hides_nothing(damaged: Path) -> None:
    (damaged / "example_operator" / "slicewise.py").write_text("class Slicewise")
    found = listing(damaged)
    assert found["methods"]["slicewise"]["summary"].startswith("(unreadable: ")
    assert found["methods"]["crossd"]["distribution"] == "crossbench"
    assert found["faults"] == []


def test_a_malformed_card_hides_nothing(damaged: Path) -> None:
    card = damaged / "example_operator" / "stripes.toml"
    card.write_text(card.read_text().replace("licence", "license"))
    found = listing(damaged)
    assert "vessel" in found["tasks"]
    assert "stripes" not in found["tasks"]
    (fault,) = found["faults"]
    assert fault.startswith(f"{card}: unknown key 'license'; did you mean licence")
    done = python("from crossbench.cards import find_task; find_task('stripes')", path=damaged)
    assert "RequestError: unknown task 'stripes'; known: " in done.stderr
    assert f"\n{card}: unknown key 'license'" in done.stderr


def test_cards_beyond_bounds_are_one_fault_each(damaged: Path) -> None:
    """None of them ends, holds up or floods the command that lists the others."""
    folder = damaged / "example_operator"
    digits, deep, wide = "9" * 5000, "[" * 20_000, '"' + "x" * 200_000 + '"'
    (folder / "digits.toml").write_text(f"version = {digits}")
    (folder / "deep.toml").write_text(f"classes = {deep}")
    (folder / "dots.toml").write_text("a" + ".a" * 100_000 + " = 1")
    (folder / "wide.toml").write_text(f"{wide} = 1")
    os.mkfifo(folder / "pipe.toml")
    (folder / "loop.toml").symlink_to("loop.toml")
    found = listing(damaged)
    assert {"stripes", "vessel"} <= set(found["tasks"])
    assert len(found["faults"]) == 6
    for name, fault in zip(
        ("deep", "digits", "dots", "loop", "pipe", "wide"), found["faults"], strict=True
    ):
        assert fault.startswith(f"{folder / name}.toml: ")
        assert len(fault) < 1000


def test_a_removed_package_hides_nothing(damaged: Path) -> None:
    shutil.rmtree(damaged / "example_operator")
    found = listing(damaged)
    assert "vessel" in found["tasks"]
    assert found["methods"]["slicewise"]["summary"] == "(module not found)"
    (fault,) = found["faults"]
    assert fault == (
        "example-operator registers tasks in 'example_operator', which is no installed package; "
        "reinstall example-operator or remove it"
    )


def test_a_name_that_is_claimed_twice_is_nobodys(damaged: Path) -> None:
    card = damaged / "example_operator" / "stripes.toml"
    card.write_text(card.read_text().replace('"stripes"', '"vessel"'))
    entries = next(damaged.glob("*.dist-info")) / "entry_points.txt"
    entries.write_text(entries.read_text().replace("slicewise =", "crossd ="))
    found = listing(damaged)
    assert "vessel" not in found["tasks"]
    assert "blood" in found["tasks"]
    (fault,) = found["faults"]
    assert re.search(r"^task 'vessel' is declared by .+ and .+; remove or rename one of", fault)
    assert str(card) in fault
    done = python("from crossbench.plugins import load_method; load_method('crossd')", path=damaged)
    message = "method 'crossd' is registered by crossbench and example-operator; uninstall one"
    assert message in done.stderr


def test_a_method_under_another_name(damaged: Path) -> None:
    (damaged / "example_operator" / "slicewise.py").write_text(METHOD + "Slicewise = Mine")
    done = python(
        "from crossbench.plugins import load_method; load_method('slicewise')", path=damaged
    )
    message = (
        "example_operator.slicewise:Slicewise of example-operator is registered as 'slicewise', but"
    )
    assert f"RequestError: {message} its name is 'mine'" in done.stderr


def test_an_unknown_method() -> None:
    with pytest.raises(RequestError, match=r"^unknown method 'cross'; did you mean crossd"):
        load_method("cross")


# ---------------------------------------------------------------------- plugin files


def plugin(folder: Path, code: str) -> Path:
    """A plugin file with this content."""
    file = folder / "mine.py"
    file.write_text(code)
    return file


def test_a_plugin_file(tmp_path: Path) -> None:
    file = plugin(tmp_path, METHOD + "method = Mine()")
    method = load_plugin(str(file))
    assert (method.name, method.dims) == ("mine", (2, 3))
    assert source_files(method) == (file,)


def test_the_sources_of_a_method_are_its_own_file_and_its_bases(tmp_path: Path) -> None:
    base = plugin(tmp_path, METHOD + "method = Mine()")
    module = sys.modules[type(load_plugin(str(base))).__module__].__name__
    code = f"import sys\nBase = sys.modules[{module!r}].Mine\n"
    code += "class Heir(Base):\n    name = 'heir'\nmethod = Heir()\n"
    heir = tmp_path / "heir.py"
    heir.write_text(code)
    assert source_files(load_plugin(str(heir))) == (heir, base)
    names = [file.name for file in source_files(load_method("crossd-fixed"))]
    assert names == ["crossd_fixed.py", "crossd.py"]


def test_what_the_library_defines_is_no_source_of_a_method(tmp_path: Path) -> None:
    code = METHOD.replace(
        "class Mine:", "from crossbench.methods import Method\nclass Mine(Method):"
    )
    file = plugin(tmp_path, code + "method = Mine()")
    assert source_files(load_plugin(str(file))) == (file,)


@pytest.mark.parametrize("attribute", ["Mine", "ready"])
def test_a_plugin_file_with_an_attribute(tmp_path: Path, attribute: str) -> None:
    file = plugin(tmp_path, METHOD + "ready = Mine()")
    assert load_plugin(f"{file}:{attribute}").name == "mine"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "plugin file '{file}' cannot be imported: ZeroDivisionError("),
        ("class Mine", "plugin file '{file}' cannot be imported: SyntaxError("),
        ("", "plugin file '{file}' has no attribute 'method'; add a line such as"),
        ("method = 3", "{file} is no method: it lacks name, dims, layer_2d, layer_3d (see"),
        ("class method:\n name = 'x'\n dims = (3,)", "{file} is no method: it lacks layer_2d,"),
        (METHOD + "method = Mine()\nmethod.dims = 3", "{file}: dims (=3) must be (2,), (3,) or"),
        (METHOD + "method = Mine()\nmethod.dims = ()", "{file}: dims (=()) must be (2,), (3,) or"),
        (METHOD + "method = Mine()\nmethod.dims = (4,)", "{file}: dims (=(4,)) must be (2,), (3,)"),
        (METHOD + "method = Mine()\nmethod.name = 'a/b'", "{file}: name (='a/b') must be in kebab"),
        (METHOD + "method = Mine()\nmethod.name = 3", "{file}: name (=3) must be in kebab case"),
        (
            "class method:\n def __init__(self, depth): pass",
            "{file} cannot be made without arguments: TypeError(",
        ),
    ],
)
def test_a_bad_plugin_file(tmp_path: Path, code: str, message: str) -> None:
    file = plugin(tmp_path, code)
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(file=file))}"):
        load_plugin(str(file))


def test_a_plugin_file_without_the_attribute(tmp_path: Path) -> None:
    file = plugin(tmp_path, METHOD)
    with pytest.raises(RequestError, match="has no attribute 'Yours'"):
        load_plugin(f"{file}:Yours")


def test_a_plugin_file_that_is_not_there(tmp_path: Path) -> None:
    message = re.escape(f"plugin file '{tmp_path / 'mine.py'}' does not exist; --plugin takes")
    with pytest.raises(RequestError, match=message):
        load_plugin(str(tmp_path / "mine.py"))


def test_a_plugin_file_that_is_no_python(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(METHOD)
    with pytest.raises(RequestError, match=r"is no Python source; its name must end in \.py"):
        load_plugin(str(file))
