"""Methods and tasks of third parties: an installed package, a plugin file, broken ones."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crossbench.data.inputs import InputKind
from crossbench.data.transforms import RandomSource
from crossbench.errors import DataError, RequestError
from crossbench.evaluation.plain import PLAIN_BASELINES
from crossbench.methods import input_kinds
from crossbench.nets.weights.loading import RANDOM
from crossbench.registry import entries
from crossbench.registry import methods as plugins
from crossbench.registry.claims import RESERVED
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import (
    choose_methods,
    load_method,
    load_observers,
    load_plugin,
)
from crossbench.registry.tasks import task_faults
from crossbench.specs import InputSettings
from crossbench_leaderboard.montage import montage

PACKAGE = Path(__file__).parent / "plugin_pkg"

LISTING = """
import json, sys
from crossbench.registry.entries import method_entries
from crossbench.registry.presets import load_presets
from crossbench.registry.tasks import load_tasks, task_faults
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


# ---------------------------------------------------------------- an input kind of its own

RUN_SIGNALS = """
import sys
from crossbench.cli import main
for protocol in ("linear-probe", "weak-probe", "finetune"):
    asked = ["--task", "waves", "--method", "signal-encoder", "--protocol", protocol]
    main(["run", *asked, "--preset", "smoke", "--out", {out!r}, "--data-dir", {out!r}])
sys.exit(main(["report", {out!r}]))
"""


@pytest.mark.slow
def test_an_input_kind_runs_under_every_protocol_and_is_reported(
    installed: Path, tmp_path: Path
) -> None:
    done = python(RUN_SIGNALS.format(out=str(tmp_path)), path=installed)
    assert done.returncode == 0, done.stderr
    for protocol in ("linear-probe", "weak-probe", "finetune"):
        assert f"1D tasks · phantom data · preset smoke · {protocol}" in done.stdout
    runs = [json.loads(file.read_text()) for file in tmp_path.rglob("*.json")]
    assert {run["status"] for run in runs} == {"ok"}
    assert sorted(run["key"]["method"] for run in runs) == [
        "logistic", "majority", *["signal-encoder"] * 3,
    ]  # fmt: skip
    assert {run["dimension"] for run in runs} == {1}
    assert all(len(run["provenance"]["hashes"]["kind"]) == 64 for run in runs)
    probed = next(run for run in runs if run["key"]["protocol"] == "linear-probe")
    assert probed["metrics"]["accuracy"] > 0.9


def test_a_listing_knows_a_kind_and_its_tasks_without_importing_them(installed: Path) -> None:
    code = "import os, sys; os.environ['COLUMNS'] = '200'; from crossbench.cli import main; "
    code += "main(['list', {!r}]); assert {!r} not in sys.modules"
    tasks = python(code.format("tasks", "example_operator"), path=installed)
    assert re.search(r"^waves +1D ", tasks.stdout, flags=re.MULTILINE), tasks.stderr
    methods = python(code.format("methods", "torch"), path=installed)
    assert re.search(r"^signal-encoder +signal ", methods.stdout, flags=re.MULTILINE), (
        methods.stderr
    )


@pytest.fixture
def signal(monkeypatch: pytest.MonkeyPatch) -> Iterator[InputKind]:
    """The third party's input kind."""
    monkeypatch.syspath_prepend(PACKAGE)
    yield importlib.import_module("example_operator.signal").Signal()
    for name in [name for name in sys.modules if name.startswith("example_operator")]:
        del sys.modules[name]


def padded(*signals: list[float]) -> dict[str, np.ndarray]:
    lengths = np.array([len(signal) for signal in signals])
    images = np.full((len(signals), lengths.max()), np.nan)
    for row, signal in zip(images, signals, strict=True):
        row[: len(signal)] = signal
    return {"images": images, "lengths": lengths}


def test_signals_of_unequal_length_are_cropped_or_padded_about_their_centre(
    signal: InputKind,
) -> None:
    stored = signal.canonical(padded([0.0, 2.0], [1.0, 5.0, 1.0, 5.0, 1.0, 5.0]), where="here")
    settings = InputSettings(scaling="sample")
    train, evaluate = signal.transforms(
        (4,), value_range=None, statistics="imagenet", settings=settings
    )
    fed = evaluate(torch.from_numpy(stored))
    assert fed.tolist() == [[[0, -1, 1, 0]], [[1, -1, 1, -1]]]
    drawn = {tuple(train(torch.from_numpy(stored), RandomSource(seed, "cpu"))[0, 0].tolist())
             for seed in range(20)}  # fmt: skip
    assert drawn >= {(-1, 1, 0, 0), (0, -1, 1, 0)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"images": np.zeros((3, 4, 2))},
            r"here: signals have shape \(3, 4, 2\); they need \(N, T",
        ),
        ({"images": np.zeros((3, 4)), "lengths": np.array([1, 2, 9])}, "one from 1 to 4 a signal"),
    ],
)
def test_stored_signals_of_another_form_are_refused(
    signal: InputKind, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        signal.canonical(arrays, where="here")


def test_a_kind_brings_features_and_pictures(signal: InputKind) -> None:
    waves = [np.sin(np.arange(length) / 2).tolist() for length in (30, 50)]
    stored = signal.canonical(padded(*waves), where="here")
    features = signal.features(stored, np.arange(2))
    assert features.shape == (2, 32)
    assert features.argmax(axis=1).tolist() == [5, 5]
    picture = montage(signal, stored, np.arange(2))
    assert picture.shape == (100, 200, 3)
    assert picture.max() == 255


# -------------------------------------------------------------------------- damaged


def test_a_listing_does_not_run_a_plugin(damaged: Path) -> None:
    package = damaged / "example_operator" / "__init__.py"
    package.write_text("raise RuntimeError('this package was imported')")
    found = listing(damaged)
    assert {"slicewise", "crossd"} <= set(found["methods"])
    assert {"stripes", "vessel"} <= set(found["tasks"])
    done = python(
        "from crossbench.registry.methods import load_method; load_method('slicewise')",
        path=damaged,
    )
    assert (
        "RequestError: method 'slicewise' of example-operator cannot be imported from "
        "example_operator.slicewise:Slicewise: RuntimeError: this package was imported "
        "(__init__.py, line 1)"
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
    done = python(
        "from crossbench.registry.tasks import find_task; find_task('stripes')", path=damaged
    )
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
    done = python(
        "from crossbench.registry.methods import load_method; load_method('crossd')", path=damaged
    )
    message = "method 'crossd' is registered by crossbench and example-operator; uninstall one"
    assert message in done.stderr


def test_a_method_under_another_name(damaged: Path) -> None:
    (damaged / "example_operator" / "slicewise.py").write_text(METHOD + "Slicewise = Mine")
    done = python(
        "from crossbench.registry.methods import load_method; load_method('slicewise')",
        path=damaged,
    )
    message = (
        "example_operator.slicewise:Slicewise of example-operator is registered as 'slicewise', but"
    )
    assert f"RequestError: {message} its name is 'mine'" in done.stderr


SHIPPED = [
    "acs",
    "conv2d",
    "conv3d",
    "crossd",
    "crossd-aligned",
    "crossd-fixed",
    "crossd-lifted",
    "factorised",
    "i3resnet",
    "slices-2d",
    "softacs",
]


@pytest.fixture
def here(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The damaged package, found by this very process."""
    monkeypatch.syspath_prepend(damaged)
    entries.method_entries.cache_clear()
    yield damaged
    entries.method_entries.cache_clear()
    for name in [name for name in sys.modules if name.startswith("example_operator")]:
        del sys.modules[name]


def names(chosen: plugins.Chosen) -> list[str]:
    return sorted(method.name for method in chosen.methods)


def register(damaged: Path, text: str) -> None:
    """Have the installed package register this."""
    (next(damaged.glob("*.dist-info")) / "entry_points.txt").write_text(text)


@pytest.mark.parametrize("value", ["///", "a b:c", ":", "x.y:z w", "\x1b[31m"])
def test_a_malformed_entry_point_hides_nothing(here: Path, value: str) -> None:
    register(
        here,
        f"[crossbench.methods]\nbad = {value}\nslicewise = example_operator.slicewise:Slicewise\n"
        f"[crossbench.tasks]\nbad = {value}\ngood = example_operator\n",
    )
    chosen = choose_methods(["all"])
    assert names(chosen) == sorted([*SHIPPED, "slicewise"])
    (left_out,) = chosen.left_out
    assert re.fullmatch(
        r"method 'bad' of example-operator cannot be loaded: its entry point '.*' is not of the "
        "form module:attribute; reinstall example-operator",
        left_out,
    )
    assert method_entries()["bad"].summary.endswith("is not of the form module:attribute)")
    (missing,) = entries.missing_task_packages()
    assert missing.startswith("example-operator registers tasks in '")
    assert {"example_operator", "crossbench_tasks"} == set(entries.task_folders())


@pytest.mark.parametrize("content", [b"[crossbench.methods]\nno value\n", b"[crossbench.\xff]\n"])
def test_unreadable_entry_points_hide_nothing(here: Path, content: bytes) -> None:
    (next(here.glob("*.dist-info")) / "entry_points.txt").write_bytes(content)
    assert sorted(method_entries()) == SHIPPED
    (fault,) = entries.package_faults()
    assert re.fullmatch(
        r"entry_points\.txt of example-operator cannot be read \(.+\); reinstall example-operator",
        fault,
    )
    assert entries.missing_task_packages() == (fault,)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (
            "1 / 0",
            "cannot be imported from example_operator.slicewise:Slicewise: ZeroDivisionError",
        ),
        (
            "raise SystemExit(0)",
            "cannot be imported from example_operator.slicewise:Slicewise: Sys",
        ),
        ("Slicewise = 3", "is no method: it lacks name"),
        (METHOD + "Slicewise = Mine", "is registered as 'slicewise', but its name is 'mine'"),
        (METHOD.replace('"mine"', "3") + "Slicewise = Mine", "name (=3) must be in kebab case"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_left_out_of_all(
    here: Path, code: str, complaint: str
) -> None:
    (here / "example_operator" / "slicewise.py").write_text(code)
    chosen = choose_methods(["all"])
    assert names(chosen) == sorted([*SHIPPED, "signal-encoder"])
    (left_out,) = chosen.left_out
    assert complaint in left_out
    assert "example-operator" in left_out
    with pytest.raises(RequestError, match=re.escape(complaint)):
        choose_methods(["slicewise"])


def test_a_name_that_two_packages_claim_is_left_out_of_all(here: Path) -> None:
    register(here, "[crossbench.methods]\ncrossd = example_operator.slicewise:Slicewise\n")
    chosen = choose_methods(["all"])
    assert "crossd" not in names(chosen)
    quarrel = "registered by crossbench and example-operator; uninstall one of them"
    assert chosen.left_out == (f"method 'crossd' is {quarrel}",)
    assert method_entries()["crossd"].summary == f"({quarrel})"


def test_commands_go_on_without_a_plugin_that_is_broken(damaged: Path, tmp_path: Path) -> None:
    register(damaged, "[crossbench.methods]\nbad = ///\n[crossbench.tasks]\nbad = ///\n")

    def crossbench(*words: str) -> subprocess.CompletedProcess[str]:
        return python(
            f"import sys; from crossbench.cli import main; sys.exit(main({words}))", path=damaged
        )

    assert "bad" in crossbench("list", "methods").stdout
    assert "not loaded: example-operator registers tasks in" in crossbench("list", "tasks").stderr
    (tmp_path / "out").mkdir()
    assert "Traceback" not in crossbench("report", str(tmp_path / "out")).stderr
    asked = crossbench("weights", "fetch", "in1k", "--method", "bad")
    assert asked.returncode == 2
    assert "crossbench: method 'bad' of example-operator cannot be loaded" in asked.stderr


def test_an_observer_of_a_malformed_entry_point(here: Path) -> None:
    register(here, "[crossbench.observers]\nbad = ///\n")
    message = "^observer 'bad' of example-operator: its entry point '///' is not of the form"
    with pytest.raises(RequestError, match=message):
        load_observers()


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
    method = load_plugin(str(plugin(tmp_path, METHOD + "method = Mine()")))
    assert (method.name, method.dims) == ("mine", (2, 3))


@pytest.mark.parametrize("attribute", ["Mine", "ready"])
def test_a_plugin_file_with_an_attribute(tmp_path: Path, attribute: str) -> None:
    file = plugin(tmp_path, METHOD + "ready = Mine()")
    assert load_plugin(f"{file}:{attribute}").name == "mine"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "plugin file '{file}' cannot be imported: ZeroDivisionError: "),
        ("class Mine", "plugin file '{file}' cannot be imported: SyntaxError: "),
        ("", "plugin file '{file}' has no attribute 'method'; add a line such as"),
        ("method = 3", "{file} is no method: it lacks name, dims, layer_2d, layer_3d (see"),
        ("class method:\n name = 'x'\n dims = (3,)", "{file} is no method: it lacks layer_2d,"),
        (METHOD + "method = Mine()\nmethod.dims = 3", "{file}: dims (=3) must be (2,), (3,) or"),
        (METHOD + "method = Mine()\nmethod.dims = ()", "{file}: dims (=()) must be (2,), (3,) or"),
        (METHOD + "method = Mine()\nmethod.dims = (4,)", "{file}: dims (=(4,)) must be (2,), (3,)"),
        (METHOD + "method = Mine()\nmethod.name = 'a/b'", "{file}: name (='a/b') must be in kebab"),
        (METHOD + "method = Mine()\nmethod.name = 3", "{file}: name (=3) must be in kebab case"),
        (METHOD + "method = Mine()\nmethod.name = 'a' * 70", "{file}: name (='aaa"),
        (METHOD + "method = Mine()\nmethod.name = 'a' * 10**8", "{file}: name (='aaa"),
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
            METHOD.replace('name = "mine"', "@property\n    def name(self): raise KeyError('no')")
            + "method = Mine()",
            "{file} cannot be read as a method: KeyError: 'no' (mine.py, line 4)",
        ),
        (
            METHOD.replace("dims = (2, 3)", "@property\n    def dims(self): raise SystemExit(0)")
            + "method = Mine()",
            "{file} cannot be read as a method: SystemExit: 0",
        ),
        (
            METHOD + "class R:\n def __repr__(self): raise SystemExit\n"
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
    file = plugin(tmp_path, METHOD + f"method = Mine()\nmethod.name = {name!r}")
    message = rf": name \(='{name}'\) means something else to crossbench; choose another$"
    with pytest.raises(RequestError, match=message):
        load_plugin(str(file))


def test_plain_baselines_and_inits_have_reserved_names() -> None:
    assert {*PLAIN_BASELINES, RANDOM} < RESERVED


def test_a_long_error_is_told_in_a_sane_length(tmp_path: Path) -> None:
    file = plugin(tmp_path, "raise ValueError('a' * 10**8)")
    with pytest.raises(RequestError, match=r"99998000 characters") as found:
        load_plugin(str(file))
    assert len(str(found.value)) < 3000


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
