"""What a method's identity follows, and what it leaves alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from own_method import METHOD

from crossbench.errors import RequestError
from crossbench.registry import method_identity
from crossbench.registry.entries import method_entries
from crossbench.registry.method_identity import identify, method_hash, read_config
from crossbench.registry.methods import load_method, load_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

KNOB = """
class Knob:
    name = "knob"
    dims = (3,)
    def __init__(self, place=1, kernel=(1, 2)):
        self.place, self.kernel = place, kernel
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        return layer
"""


def write(folder: Path, **files: str) -> None:
    """Write source files; two underscores in a row stand for a slash."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def init(folder: Path, text: str = "") -> None:
    """Make a folder a package."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(text)


def labels(folder: Path, imports: str, inside: str = "") -> list[str]:
    """The files that a plugin with these imports is made of."""
    write(
        folder, mine=imports + METHOD.replace("        return layer\n", inside or "        pass\n")
    )
    return sorted(file.label for file in identify(load_plugin(str(folder / "mine.py"))).files)


def plugin_hash(file: Path) -> str:
    return method_hash(load_plugin(str(file)))


# ------------------------------------------------------------------- files beside a plugin


@pytest.mark.parametrize(
    ("imports", "files"),
    [
        ("import layers", ["layers.py"]),
        ("import layers as other", ["layers.py"]),
        ("from layers import X", ["layers.py"]),
        ("from layers import *", ["layers.py"]),
        ("from . import layers", ["layers.py"]),
        ("from .layers import X", ["layers.py"]),
        ("import math, layers", ["layers.py"]),
        ("try:\n    import layers\nexcept ImportError:\n    pass", ["layers.py"]),
        ("import pkg.sub", ["pkg/__init__.py", "pkg/sub.py"]),
        ("import pkg.sub as other", ["pkg/__init__.py", "pkg/sub.py"]),
        ("from pkg import sub", ["pkg/__init__.py", "pkg/sub.py"]),
        ("from pkg.sub import X", ["pkg/__init__.py", "pkg/sub.py"]),
        ("from .pkg.sub import X", ["pkg/__init__.py", "pkg/sub.py"]),
        ("import pkg", ["pkg/__init__.py"]),
        ("import pkg.upward", ["pkg/__init__.py", "pkg/sub.py", "pkg/upward.py"]),
        ("import pkg.root", ["layers.py", "pkg/__init__.py", "pkg/root.py"]),
        ("import space.part", ["space/part.py"]),
        ("import space.deep.part", ["space/deep/part.py"]),
        ("import first", ["first.py", "second.py"]),
        ("import random", []),
        ("from .random import X", ["random.py"]),
    ],
)
def test_a_plugin_is_made_of_what_it_imports_from_beside_it(
    tmp_path: Path, imports: str, files: list[str]
) -> None:
    init(tmp_path / "pkg")
    write(
        tmp_path,
        layers="X = 1",
        unrelated="X = 1",
        pkg__sub="X = 1",
        pkg__upward="from . import sub\nfrom .sub import X",
        pkg__root="import layers",
        space__part="X = 1",
        space__deep__part="X = 1",
        first="import second",
        second="import first",
        random="X = 1",
    )
    assert labels(tmp_path, imports) == sorted([*files, "<plugin>"])


def test_an_import_within_a_function_counts(tmp_path: Path) -> None:
    write(tmp_path, layers="X = 1")
    assert labels(tmp_path, "", "        import layers\n        return layers\n") == [
        "<plugin>",
        "layers.py",
    ]


@pytest.mark.parametrize(
    "imports",
    [
        "import importlib\nimportlib.import_module('.layers', __package__)",
        "from importlib import import_module",
        "import importlib\ngetattr(importlib, 'import_module')",
        "exec('X = 1')",
        "eval('1')",
        "__import__('math')",
        "import sys\nsys.path.append('elsewhere')",
        "from sys import path",
        "from pkg import *",
    ],
)
def test_dynamic_imports_take_in_everything_beside_it(tmp_path: Path, imports: str) -> None:
    init(tmp_path / "pkg")
    init(tmp_path / ".hidden")
    init(tmp_path / "__pycache__")
    init(tmp_path / "environment")
    (tmp_path / "environment" / "pyvenv.cfg").touch()
    write(tmp_path, layers="", pkg__sub="")
    (tmp_path / "kernel.cu").write_text("// compiled by the plugin")
    (tmp_path / "notes.txt").write_text("no code")
    found = labels(tmp_path, imports)
    package = ["pkg/__init__.py", "pkg/sub.py"]
    everything = ["kernel.cu", "layers.py", *package, "<plugin>"]
    assert found == (sorted([*package, "<plugin>"]) if "*" in imports else sorted(everything))


def test_a_package_with_dynamic_imports_takes_in_itself_alone(tmp_path: Path) -> None:
    init(tmp_path / "pkg", "from importlib import import_module")
    write(tmp_path, layers="", pkg__sub="")
    assert labels(tmp_path, "import pkg") == ["<plugin>", "pkg/__init__.py", "pkg/sub.py"]


def test_methods_of_networks_are_no_dynamic_imports(tmp_path: Path) -> None:
    write(tmp_path, layers="")
    assert labels(tmp_path, "from torch import nn\nnn.Identity().eval()\nmode = 'eval'") == [
        "<plugin>"
    ]


def test_dynamic_imports_beside_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbench.registry.tracing._MOST_FILES", 3)
    write(tmp_path, one="", two="", three="", mine="exec('')" + METHOD)
    message = r"mine\.py imports by exec, so every file of code in .+ more than 3; write its"
    with pytest.raises(RequestError, match=message):
        load_plugin(str(tmp_path / "mine.py"))


def test_an_edited_helper_is_another_method(tmp_path: Path) -> None:
    write(tmp_path, layers="import deeper", deeper="X = 1", other="", mine="import layers" + METHOD)
    before = plugin_hash(tmp_path / "mine.py")
    assert plugin_hash(tmp_path / "mine.py") == before
    write(tmp_path, other="X = 2")
    assert plugin_hash(tmp_path / "mine.py") == before
    write(tmp_path, deeper="X = 2")
    assert plugin_hash(tmp_path / "mine.py") != before


def test_a_plugin_is_the_same_in_another_place_and_under_another_name(tmp_path: Path) -> None:
    for folder, name in (("one", "mine"), ("two", "yours")):
        write(tmp_path / folder, layers="X = 1", **{name: "import layers" + METHOD})
    assert plugin_hash(tmp_path / "one" / "mine.py") == plugin_hash(tmp_path / "two" / "yours.py")


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "real", layers="X = 1", mine="import layers, linked" + METHOD)
    write(tmp_path / "far", linked="X = 1")
    (tmp_path / "real" / "linked.py").symlink_to(tmp_path / "far" / "linked.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "mine.py")
    (tmp_path / "folder").symlink_to(tmp_path / "real", target_is_directory=True)
    files = [tmp_path / "real" / "mine.py", tmp_path / "link.py", tmp_path / "folder" / "mine.py"]
    assert len({plugin_hash(file) for file in files}) == 1
    before = plugin_hash(tmp_path / "link.py")
    write(tmp_path / "far", linked="X = 2")
    assert plugin_hash(tmp_path / "link.py") != before


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert labels(tmp_path, "exec('')") == ["<plugin>"]


def test_a_plugin_of_a_package_is_made_of_it_by_its_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "lab_of_mine")
    write(tmp_path / "lab_of_mine", layers="X = 1")
    monkeypatch.syspath_prepend(tmp_path)  # installed
    assert labels(tmp_path / "lab_of_mine", "from lab_of_mine.layers import X") == [
        "<plugin>",
        "lab_of_mine/__init__.py",
        "lab_of_mine/layers.py",
    ]


def test_what_is_found_on_a_path_of_its_own_counts(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", found_elsewhere="X = 1")
    path = list(sys.path)
    code = (
        f"import sys\nsys.path.insert(0, {str(tmp_path / 'elsewhere')!r})\nimport found_elsewhere"
    )
    assert labels(tmp_path / "here", code) == ["<plugin>", "found_elsewhere"]
    assert sys.path == path
    assert "found_elsewhere" not in sys.modules


# ----------------------------------------------------------------------- registered methods


def test_registered_methods_are_made_of_their_own_files() -> None:
    def files(name: str) -> set[str]:
        place = "crossbench_baselines/"
        found = {file.label.removeprefix(place) for file in identify(load_method(name)).files}
        return found - {"__init__.py"}

    assert files("conv2d") == {"conv2d.py"}
    assert files("acs") == {"acs.py", "_volumetric.py"}
    assert files("conv3d") == {"conv3d.py", "_volumetric.py"}
    parts = ("crossd", "crossd_divided", "crossd_functional", "crossd_rotation", "_volumetric")
    crossd = {f"{part}.py" for part in parts}
    assert files("crossd") == crossd
    assert files("crossd-aligned") == {"crossd_aligned.py", *crossd}
    assert files("crossd-lifted") == {"crossd_lifted.py", "crossd_aligned.py", *crossd}
    assert files("crossd-fixed") == {"crossd_fixed.py", *crossd}


OF_RECORDINGS = {"fc-cnn", "fmm-tc", "fmm-tc-random", "ts-brainlm"}
CONVERTING_NOTHING = {"conv2d", "slices-2d", "fmcib", "medicalnet"} | OF_RECORDINGS


@pytest.fixture(scope="module")
def unedited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the registered methods as they are."""
    return _hashes_of_another_process(_copied(tmp_path_factory.mktemp("unedited")))


@pytest.mark.parametrize(
    ("edited", "planned_again"),
    [
        ("acs.py", {"acs"}),
        ("_volumetric.py", set(method_entries()) - CONVERTING_NOTHING),
        ("_brainlm.py", OF_RECORDINGS),
        ("crossd.py", {"crossd", "crossd-aligned", "crossd-fixed", "crossd-lifted"}),
        ("observers.py", set()),
        ("__init__.py", set(method_entries())),
    ],
)
def test_an_edit_changes_the_methods_that_use_the_file_alone(
    tmp_path: Path, unedited: dict[str, str], edited: str, planned_again: set[str]
) -> None:
    with (_copied(tmp_path) / "crossbench_baselines" / edited).open("a") as stream:
        stream.write("\n# edited\n")
    found = _hashes_of_another_process(tmp_path)
    assert {name for name in found if found[name] != unedited[name]} == planned_again


def _copied(folder: Path) -> Path:
    """A folder that holds a copy of the package of registered methods."""
    import crossbench_baselines

    (folder / "crossbench_baselines").mkdir()
    for file in Path(next(iter(crossbench_baselines.__path__))).glob("*.py"):
        (folder / "crossbench_baselines" / file.name).write_bytes(file.read_bytes())
    return folder


def _hashes_of_another_process(folder: Path) -> dict[str, str]:
    """The hashes of the registered methods, their package found in a folder."""
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(folder)!r})\n"
        "from crossbench.registry.method_identity import identify, method_hash\n"
        "from crossbench.registry.methods import find_methods\n"
        "for method in find_methods(['all']):\n"
        f"    assert str(identify(method).files[0].path).startswith({str(folder)!r})\n"
        "    print(method.name, method_hash(method))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_a_namespace_package_in_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "one", lab_space__knob="from lab_space import layers\n" + METHOD)
    write(tmp_path / "two", lab_space__layers="X = 1")
    monkeypatch.syspath_prepend(tmp_path / "one")
    monkeypatch.syspath_prepend(tmp_path / "two")
    from importlib import import_module

    found = identify(import_module("lab_space.knob").method)
    assert sorted(file.label for file in found.files) == [
        "lab_space/knob.py",
        "lab_space/layers.py",
    ]


def test_the_files_of_base_classes_count(tmp_path: Path) -> None:
    heir = (
        "from crossbench_baselines.crossd import CrossD\nclass Heir(CrossD):\n    name = 'heir'\n"
    )
    write(tmp_path, heir=heir + "method = Heir()")
    found = {file.label for file in identify(load_plugin(str(tmp_path / "heir.py"))).files}
    place = "crossbench_baselines/"
    assert found == {
        "<plugin>",
        f"{place}__init__.py",
        f"{place}crossd.py",
        f"{place}crossd_divided.py",
        f"{place}crossd_functional.py",
        f"{place}crossd_rotation.py",
        f"{place}_volumetric.py",
    }


def test_the_base_class_may_come_from_another_plugin(tmp_path: Path) -> None:
    write(tmp_path, base=METHOD)
    module = type(load_plugin(str(tmp_path / "base.py"))).__module__
    heir = (
        f"import sys\nBase = sys.modules[{module!r}].Mine\nclass Heir(Base):\n    name = 'heir'\n"
    )
    write(tmp_path, heir=heir + "method = Heir()")
    files = identify(load_plugin(str(tmp_path / "heir.py"))).files
    assert [file.path.name for file in files] == ["heir.py", "base.py"]


def test_what_crossbench_and_torch_define_is_no_part_of_a_method(tmp_path: Path) -> None:
    imports = "from torch import nn\nfrom crossbench.methods import Convolution\n"
    code = METHOD.replace("class Mine:", "class Mine(nn.Module, Convolution):")
    write(tmp_path, mine=imports + code)
    (file,) = identify(load_plugin(str(tmp_path / "mine.py"))).files
    assert file.path == tmp_path / "mine.py"


def test_a_method_that_no_file_defines() -> None:
    code = (
        METHOD + "from crossbench.registry.method_identity import identify\n"
        "try:\n    identify(method)\nexcept Exception as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "method 'mine' is a Mine that no file defines, so its identity cannot be" in done.stdout


def test_a_method_keeps_the_identity_that_it_was_loaded_with(tmp_path: Path) -> None:
    write(tmp_path, mine=METHOD)
    method: Any = load_plugin(str(tmp_path / "mine.py"))
    before = method_hash(method)
    write(tmp_path, mine=METHOD + "# edited")
    method.calls = 3
    assert method_hash(method) == before
    assert plugin_hash(tmp_path / "mine.py") != before


# --------------------------------------------------------------------- the values it is built with


@pytest.fixture
def knob(tmp_path: Path) -> Callable[..., Any]:
    """A method built with these arguments, loaded from one plugin file."""

    def make(arguments: str) -> Any:
        numbered = tmp_path / str(len(list(tmp_path.iterdir())))
        write(numbered, knobs=KNOB, mine=f"from knobs import Knob\nmethod = Knob({arguments})")
        return load_plugin(str(numbered / "mine.py"))

    return make


def test_what_a_method_is_built_with_is_a_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, mine=KNOB + "one, two, again = Knob(1), Knob(place=2), Knob(1)")
    names = ("one", "two", "again")
    one, two, again = (method_hash(load_plugin(f"{tmp_path / 'mine.py'}:{n}")) for n in names)
    assert one != two
    assert one == again


def test_public_attributes_are_recorded_as_they_are(knob: Callable[..., Any]) -> None:
    assert identify(knob("place=2, kernel=[{'a': (1, 2.5)}, None]")).config == {
        "name": "knob",
        "dims": [3],
        "place": 2,
        "kernel": [{"a": [1, 2.5]}, None],
    }


@pytest.mark.parametrize(
    ("one", "other"), [("1", "True"), ("1", "1.0"), ("1", "'1'"), ("0", "None")]
)
def test_values_of_two_types_differ(knob: Callable[..., Any], one: str, other: str) -> None:
    configs = [method_identity.hash_json(identify(knob(each)).config) for each in (one, other)]
    assert configs[0] != configs[1]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("object", "is <class 'object'> of class type"),
        ("lambda: 1", "is <function"),
        ("float('nan')", "is nan of class float"),
        ("float('inf')", "is inf of class float"),
        ("10**40", "is 1000"),
        ("{1: 2}", "is a dict with the key 1, which is no str"),
        ("{1, 2}", "is {1, 2} of class set"),
        ("[1, [2, (b'3',)]]", "is b'3' of class bytes"),
        ("(deep := [], deep.append(deep))[0]", "is more than 20 levels of lists"),
    ],
)
def test_an_attribute_of_another_kind_is_refused_by_name(
    knob: Callable[..., Any], value: str, complaint: str
) -> None:
    message = f"^method 'knob': attribute 'place' {re.escape(complaint)}.*; define config()"
    with pytest.raises(RequestError, match=message):
        knob(f"place=({value})")


def test_a_tensor_is_no_plain_value(tmp_path: Path) -> None:
    write(tmp_path, mine="import torch\n" + KNOB + "method = Knob(place=torch.ones(2))")
    message = r"attribute 'place' is tensor\(\[1\., 1\.\]\) of class Tensor; its identity takes"
    with pytest.raises(RequestError, match=message):
        load_plugin(str(tmp_path / "mine.py"))


def test_private_attributes_are_no_values(tmp_path: Path) -> None:
    write(tmp_path, mine=KNOB + "method = Knob()\nmethod._cache = object()")
    assert "_cache" not in identify(load_plugin(str(tmp_path / "mine.py"))).config


def test_attributes_in_slots_and_of_classes_count(tmp_path: Path) -> None:
    slotted = METHOD.replace(
        'name = "mine"', '__slots__ = ("depth",)\n    name = "mine"\n    far = 2'
    )
    write(tmp_path, mine=slotted + "method.depth = 5")
    config = identify(load_plugin(str(tmp_path / "mine.py"))).config
    assert config == {"name": "mine", "dims": [3], "far": 2, "depth": 5}


CONFIG = KNOB + "    def config(self):\n        return {}\n\nmethod = Knob(place=object())"


def test_config_says_what_attributes_cannot(tmp_path: Path) -> None:
    write(tmp_path, mine=CONFIG.format("{'place': 3}"))
    assert identify(load_plugin(str(tmp_path / "mine.py"))).config == {"place": 3}


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("3", r"^method 'knob': config\(\) must return a dict of what it was built with, by name$"),
        ("{3: 4}", r"^method 'knob': config\(\) must return a dict of what it was built with"),
        ("{'a': object}", r"^method 'knob': config\(\)\['a'\] is <class 'object'> .+return such"),
        ("1 / 0", r"^method 'knob': its values cannot be read: ZeroDivisionError: .+ line 12\)$"),
        (
            "{'a': 'b' * 10**6}",
            r"^method 'knob': the values .+ take 1000009 .+ hash",
        ),
    ],
)
def test_a_bad_config(tmp_path: Path, returned: str, message: str) -> None:
    write(tmp_path, mine=CONFIG.format(returned))
    with pytest.raises(RequestError, match=message):
        load_plugin(str(tmp_path / "mine.py"))


def test_numbers_of_numpy_that_are_pythons_too_are_plain() -> None:
    import numpy as np

    method: Any = SimpleNamespace(name="made", scale=np.float64(0.5))
    assert read_config(method) == {"name": "made", "scale": 0.5}
