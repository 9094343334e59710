"""A method's source, from a machine to a bundle and to another interpreter."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from own_method import CLASS

from crossbench.errors import BundleError, RequestError
from crossbench.execution import interpreter
from crossbench.registry.method_identity import identify
from crossbench.registry.methods import find_methods, load_method, load_plugin
from crossbench.results.bundles.bundle import Bundle
from crossbench.results.bundles.manifest import Manifest
from crossbench.submissions.reinstallation import Installed, reinstall
from crossbench.submissions.source import Source, gather_source

PRINTED = """
import sys
from crossbench.registry.method_identity import identify
from crossbench.registry.methods import find_methods
(method,) = find_methods(sys.argv[1:2], sys.argv[2:])
print(identify(method).sha256)
"""


def plugin(folder: Path, text: str = "", **beside: str) -> Path:
    for name, content in beside.items():
        file = folder / name.replace("__", "/", 1 if not name.startswith("__") else 0)
        file = file.with_name(f"{file.name}.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (folder / "mine.py").write_text(f"{text}{CLASS}\nmethod = Mine()\n")
    return folder / "mine.py"


def unpacked(source: Source, folder: Path) -> Bundle:
    """The source as a bundle has it, in a folder."""
    for place, content in source.contents.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    manifest = Manifest(
        method=source.method, authors=("A",), licence="MIT", crossbench="0", preset="smoke"
    )
    return Bundle(manifest, folder)


def loaded_elsewhere(installed: Installed, name: str = "mine") -> str:
    """The identity of the method as another interpreter loads it."""
    more = {"PYTHONPATH": ":".join(map(str, installed.path))} if installed.path else {}
    process = interpreter.start("-c", PRINTED, name, *installed.plugins, more=more, stdout=-1)
    return process.communicate()[0].strip()


def test_a_plugin_and_what_lies_beside_it(tmp_path: Path) -> None:
    file = plugin(tmp_path / "a", "import layers\nimport nets.cube\n", layers="", nets__cube="")
    method = load_plugin(str(file))
    source = gather_source(method, [str(file)])
    assert source.method.plugin == "plugin/mine.py:method"
    assert source.method.target == ""
    assert sorted(source.contents) == [
        "source/plugin/layers.py",
        "source/plugin/mine.py",
        "source/plugin/nets/cube.py",
    ]
    bundle = unpacked(source, tmp_path / "b")
    (tmp_path / "site").mkdir()
    installed = reinstall(bundle, tmp_path / "site")
    assert (installed.path, installed.built_in) == ((), False)
    assert loaded_elsewhere(installed) == identify(method).sha256


def test_a_method_with_hyperparameters(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    built = "def __init__(self, side=1):\n        self.side = side\n    def layer_2d"
    file.write_text(CLASS.replace("def layer_2d", built) + "method = Mine()\n")
    (method,) = find_methods(["mine:side=2"], [str(file)])
    source = gather_source(method, [str(file)])
    assert source.method.name == "mine:side=2"
    (tmp_path / "site").mkdir()
    installed = reinstall(unpacked(source, tmp_path / "b"), tmp_path / "site")
    assert loaded_elsewhere(installed, "mine:side=2") == source.method.sha256
    assert loaded_elsewhere(installed, "mine") != source.method.sha256


def test_a_plugin_within_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "ours"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    file = plugin(folder, "import ours.layers\n", layers="")
    monkeypatch.syspath_prepend(tmp_path / "a")
    method = load_plugin(str(file))
    source = gather_source(method, [f"{file}:method"])
    assert source.method.plugin == "plugin/ours/mine.py:method"
    assert "source/plugin/ours/__init__.py" in source.contents
    (tmp_path / "site").mkdir()
    installed = reinstall(unpacked(source, tmp_path / "b"), tmp_path / "site")
    assert loaded_elsewhere(installed) == identify(method).sha256


def test_a_method_of_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle is of a package that this interpreter knows, and the other one does not."""
    package = tmp_path / "a" / "strange_methods"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cube.py").write_text(f"from strange_methods import side\n{CLASS}")
    (package / "side.py").touch()
    about = tmp_path / "a" / "strange_methods-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-methods\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[crossbench.methods]\nmine = strange_methods.cube:Mine\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "a")
    from crossbench.registry import entries

    entries.method_entries.cache_clear()
    try:
        method = load_method("mine")
        source = gather_source(method)
    finally:
        monkeypatch.undo()
        entries.method_entries.cache_clear()
        for name in [each for each in sys.modules if each.startswith("strange_methods")]:
            del sys.modules[name]
    assert source.method.target == "strange_methods.cube:Mine"
    assert (source.method.distribution, source.method.version) == ("strange-methods", "1.0")
    assert sorted(source.contents) == [
        "source/packages/strange_methods/__init__.py",
        "source/packages/strange_methods/cube.py",
        "source/packages/strange_methods/side.py",
    ]
    (tmp_path / "site").mkdir()
    installed = reinstall(unpacked(source, tmp_path / "b"), tmp_path / "site")
    assert (installed.plugins, installed.built_in) == ((), False)
    assert loaded_elsewhere(installed) == identify(method).sha256


def test_an_installed_method_is_run_as_it_is(tmp_path: Path) -> None:
    (method,) = find_methods(["acs"])
    source = gather_source(method)
    assert source.method.target.startswith("crossbench_baselines.")
    bundle = unpacked(source, tmp_path / "b")
    assert reinstall(bundle, tmp_path) == Installed(built_in=True)


def test_a_manifest_cannot_write_elsewhere(tmp_path: Path) -> None:
    (method,) = find_methods(["acs"])
    source = gather_source(method)
    (tmp_path / "site").mkdir()
    for changed in (
        {"distribution": "../x"},
        {"version": "1\nName: y"},
        {"target": "a:B\n[x]"},
    ):
        described = dataclasses.replace(source.method, sha256="0" * 64, **changed)
        bundle = unpacked(Source(described, source.contents), tmp_path / "b")
        with pytest.raises(BundleError, match=r"registers the method, which no package is"):
            reinstall(bundle, tmp_path / "site")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b", "site"]


def test_what_no_one_else_could_import_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.py").touch()
    (tmp_path / "a").mkdir()
    text = f"import sys\nsys.path.insert(0, {str(tmp_path / 'elsewhere')!r})\nimport far\n"
    file = plugin(tmp_path / "a", text)
    with pytest.raises(BundleError, match=r"source file 'far.py' lies outside of the plugin's fo"):
        gather_source(load_plugin(str(file)), [str(file)])


def test_a_plugin_that_is_not_named_is_refused(tmp_path: Path) -> None:
    method = load_plugin(str(plugin(tmp_path)))
    with pytest.raises(BundleError, match=r"method 'mine' is of mine.py, which no --plugin names"):
        gather_source(method)


def test_source_that_has_changed_is_refused(tmp_path: Path) -> None:
    file = plugin(tmp_path)
    method = load_plugin(str(file))
    file.write_text(file.read_text() + "\n")
    with pytest.raises(RequestError, match=r"method 'mine': <plugin> has changed since it was lo"):
        gather_source(method, [str(file)])
