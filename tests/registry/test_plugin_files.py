"""Plugin files: what they hold, and imports of what lies beside them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from own_method import METHOD
from third_party import SOURCE

from crossbench.errors import RequestError
from crossbench.evaluation.baselines import BASELINES
from crossbench.registry.claims import RESERVED
from crossbench.registry.method_identity import method_hash
from crossbench.registry.methods import load_plugin
from crossbench.specs import RANDOM


def write(folder: Path, **files: str) -> None:
    """Write source files; two underscores in a row stand for a slash."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("import layers", "layers.X"),
        ("import layers as other", "other.X"),
        ("from layers import X", "X"),
        ("from layers import X as Y", "Y"),
        ("from layers import *", "X"),
        ("from . import layers", "layers.X"),
        ("from .layers import X", "X"),
        ("import math, layers, sys", "layers.X + math.floor(0.5)"),
        ("import space.part", "space.part.X"),
        ("import space.part as other", "other.X"),
        ("from space import part", "part.X"),
        ("import space.part, space.second", "space.part.X + space.second.X - 3"),
        ("import first", "first.second.first.X"),
        ("import space.root", "space.root.layers.X"),
        ("from __future__ import annotations\nimport layers", "layers.X"),
        ("import datetime", "datetime.datetime(3, 1, 1).year"),  # not the file beside it
        ("import importlib\nx = importlib.import_module('.layers', __package__)", "x.X"),
    ],
)
def test_a_plugin_imports_what_lies_beside_it(tmp_path: Path, imports: str, value: str) -> None:
    write(
        tmp_path,
        layers="X = 3",
        space__part="X = 3",
        space__second="X = 3",
        space__root="import layers",
        first="import second\nX = 3",
        second="import first",
        datetime="raise SystemExit",
        mine=f"{imports}\n{METHOD}method.x = {value}",
    )
    before = list(sys.path), set(sys.modules)
    method: Any = load_plugin(str(tmp_path / "mine.py"))
    assert method.x == 3
    assert sys.path == before[0]
    new = {name.partition(".")[0] for name in set(sys.modules) - before[1]}
    assert all(name.startswith("crossbench_plugin_") for name in new)
    assert not list(tmp_path.rglob("__pycache__"))


def test_an_import_within_a_function_finds_it_later(tmp_path: Path) -> None:
    write(tmp_path, layers="X = 3", mine=METHOD.replace("return layer\n", "import layers\n"))
    code = METHOD.replace(
        "        return layer\n", "        import layers\n        return layers.X\n"
    )
    write(tmp_path, mine=code)
    method: Any = load_plugin(str(tmp_path / "mine.py"))
    assert method.layer_3d(None) == 3


def test_two_plugins_of_one_name_each_have_their_own_files(tmp_path: Path) -> None:
    later = "        from layers import X\n        return X\n"
    for folder, number in (("a", 1), ("b", 2)):
        named = METHOD.replace("mine", f"mine-{folder}").replace("        return layer\n", later)
        write(tmp_path / folder, layers=f"X = {number}", method="import layers" + named)
    one, two = (load_plugin(str(tmp_path / folder / "method.py")) for folder in "ab")
    first: Any = one
    second: Any = two
    assert (first.layer_3d(None), second.layer_3d(None)) == (1, 2)
    assert type(one).__module__ != type(two).__module__
    assert method_hash(one) != method_hash(two)


def test_a_plugin_may_be_called_as_what_it_imports(tmp_path: Path) -> None:
    write(tmp_path, numpy=f"import numpy\n{METHOD}method.x = int(numpy.ones(3).sum())")
    method: Any = load_plugin(str(tmp_path / "numpy.py"))
    assert method.x == 3


@pytest.mark.parametrize("name", ["my-method.py", "my.method.py", "3d.py"])
def test_the_name_of_a_plugin_file_need_be_no_identifier(tmp_path: Path, name: str) -> None:
    write(tmp_path, layers="X = 3")
    (tmp_path / name).write_text(f"import layers\n{METHOD}method.x = layers.X")
    method: Any = load_plugin(str(tmp_path / name))
    assert method.x == 3


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    """What Python keeps of a compiled file goes by its size and its time in seconds."""
    import os

    found = []
    for number in (1, 2):
        write(tmp_path, layers=f"X = {number}", mine=f"import layers\n{METHOD}method.x = layers.X")
        for file in tmp_path.glob("*.py"):
            os.utime(file, (1e9, 1e9))
        method: Any = load_plugin(str(tmp_path / "mine.py"))
        found.append((method.x, method_hash(method)))
    assert [x for x, _ in found] == [1, 2]
    assert found[0][1] != found[1][1]


def test_a_file_that_changes_before_it_is_imported_is_refused(tmp_path: Path) -> None:
    later = "        import layers\n        return layers.X\n"
    write(tmp_path, layers="X = 3", mine=METHOD.replace("        return layer\n", later))
    method: Any = load_plugin(str(tmp_path / "mine.py"))
    write(tmp_path, layers="X = 4")
    with pytest.raises(
        ImportError, match=r"layers\.py has changed since the plugin was loaded; run"
    ):
        method.layer_3d(None)


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path, layers="X = 3", mine="import layers\nimport sys\nsys.path.append('x')\n1 / 0")
    before = list(sys.path), set(sys.modules)
    with pytest.raises(
        Exception, match=r"ZeroDivisionError: division by zero \(mine\.py, line 4\)$"
    ):
        load_plugin(str(tmp_path / "mine.py"))
    assert (sys.path, set(sys.modules)) == before
    write(tmp_path, mine="import layers" + METHOD)
    assert load_plugin(str(tmp_path / "mine.py")).name == "mine"


def plugin(folder: Path, code: str) -> Path:
    """A plugin file with this content."""
    file = folder / "mine.py"
    file.write_text(code)
    return file


def test_a_plugin_file(tmp_path: Path) -> None:
    method = load_plugin(str(plugin(tmp_path, SOURCE + "method = Mine()")))
    assert (method.name, method.dims) == ("mine", (2, 3))


@pytest.mark.parametrize("attribute", ["Mine", "ready"])
def test_a_plugin_file_with_an_attribute(tmp_path: Path, attribute: str) -> None:
    file = plugin(tmp_path, SOURCE + "ready = Mine()")
    assert load_plugin(f"{file}:{attribute}").name == "mine"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "plugin file '{file}' cannot be imported: ZeroDivisionError: "),
        ("class Mine", "plugin file '{file}' cannot be imported: SyntaxError: "),
        ("", "plugin file '{file}' has no attribute 'method'; add a line such as"),
        ("method = 3", "{file} is no method: it lacks name, dims, layer_2d, layer_3d (see"),
        ("class method:\n name = 'x'\n dims = (3,)", "{file} is no method: it lacks layer_2d,"),
        (SOURCE + "method = Mine()\nmethod.dims = 3", "{file}: dims (=3) must be (2,), (3,) or"),
        (SOURCE + "method = Mine()\nmethod.dims = ()", "{file}: dims (=()) must be (2,), (3,) or"),
        (SOURCE + "method = Mine()\nmethod.dims = (4,)", "{file}: dims (=(4,)) must be (2,), (3,)"),
        (SOURCE + "method = Mine()\nmethod.name = 'a/b'", "{file}: name (='a/b') must be in kebab"),
        (SOURCE + "method = Mine()\nmethod.name = 3", "{file}: name (=3) must be in kebab case"),
        (SOURCE + "method = Mine()\nmethod.name = 'a' * 70", "{file}: name (='aaa"),
        (SOURCE + "method = Mine()\nmethod.name = 'a' * 10**8", "{file}: name (='aaa"),
        ("raise SystemExit(0)", "plugin file '{file}' cannot be imported: SystemExit: 0 (mine.py,"),
        (
            "class E(BaseException): pass\nraise E('x')",
            "plugin file '{file}' cannot be imported: E: x",
        ),
        (
            "class E(KeyboardInterrupt): pass\nraise E",
            "plugin file '{file}' cannot be imported: E (mi",
        ),
        (
            "raise ValueError('\\ud800')",
            "plugin file '{file}' cannot be imported: ValueError: \\ud800",
        ),
        (
            "raise ValueError('a' * 10**8)",
            "plugin file '{file}' cannot be imported: ValueError: aaa",
        ),
        (
            "class E(Exception):\n def __str__(self): raise SystemExit\nraise E",
            "plugin file '{file}' cannot be imported: E: (its message cannot be read) (mine.py,",
        ),
        (
            "def __getattr__(name): raise SystemExit(name)",
            "plugin file '{file}' cannot be imported: SystemExit:",
        ),
        (
            "class method:\n def __init__(self): raise SystemExit(0)",
            "{file} cannot be made without arguments: SystemExit: 0 (mine.py, line 2)",
        ),
        (
            SOURCE.replace('name = "mine"', "@property\n    def name(self): raise KeyError('no')")
            + "method = Mine()",
            "{file} cannot be read as a method: KeyError: 'no' (mine.py, line 4)",
        ),
        (
            SOURCE.replace("dims = (2, 3)", "@property\n    def dims(self): raise SystemExit(0)")
            + "method = Mine()",
            "{file} cannot be read as a method: SystemExit: 0",
        ),
        (
            SOURCE + "class R:\n def __repr__(self): raise SystemExit\n"
            "method = Mine()\nmethod.dims = R()",
            "{file}: dims (=<R that has no repr>) must be (2,)",
        ),
        (
            "class method:\n def __init__(self, depth): pass",
            "{file} cannot be made without arguments: TypeError: ",
        ),
    ],
)
def test_a_bad_plugin_file(tmp_path: Path, code: str, message: str) -> None:
    file = plugin(tmp_path, code)
    with pytest.raises(RequestError, match=f"^{re.escape(message.format(file=file))}"):
        load_plugin(str(file))


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_name_that_means_something_else(tmp_path: Path, name: str) -> None:
    file = plugin(tmp_path, SOURCE + f"method = Mine()\nmethod.name = {name!r}")
    message = rf": name \(='{name}'\) means something else to crossbench; choose another$"
    with pytest.raises(RequestError, match=message):
        load_plugin(str(file))


def test_plain_baselines_and_inits_have_reserved_names() -> None:
    assert {*BASELINES, RANDOM} < RESERVED


def test_a_long_error_is_told_in_a_sane_length(tmp_path: Path) -> None:
    file = plugin(tmp_path, "raise ValueError('a' * 10**8)")
    with pytest.raises(RequestError, match=r"99998000 characters") as found:
        load_plugin(str(file))
    assert len(str(found.value)) < 3000


def test_a_plugin_file_without_the_attribute(tmp_path: Path) -> None:
    file = plugin(tmp_path, SOURCE)
    with pytest.raises(RequestError, match="has no attribute 'Yours'"):
        load_plugin(f"{file}:Yours")


def test_a_plugin_file_that_is_not_there(tmp_path: Path) -> None:
    message = re.escape(f"plugin file '{tmp_path / 'mine.py'}' does not exist; --plugin takes")
    with pytest.raises(RequestError, match=message):
        load_plugin(str(tmp_path / "mine.py"))


def test_a_plugin_file_that_is_no_python(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(SOURCE)
    with pytest.raises(RequestError, match=r"is no Python source; its name must end in \.py"):
        load_plugin(str(file))
