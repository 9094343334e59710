"""Broken packages hide nothing of the others, and are named with a remedy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from third_party import SOURCE, listing, python, register

from crossbench.errors import RequestError
from crossbench.registry import entries
from crossbench.registry import methods as plugins
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import choose_methods, load_method, load_observers


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
    (damaged / "example_operator" / "slicewise.py").write_text(SOURCE + "Slicewise = Mine")
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
    "fc-cnn",
    "fmcib",
    "fmm-tc",
    "fmm-tc-random",
    "i3resnet",
    "medicalnet",
    "slices-2d",
    "softacs",
    "ts-brainlm",
]


def names(chosen: plugins.Chosen) -> list[str]:
    return sorted(method.name for method in chosen.methods)


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
        (SOURCE + "Slicewise = Mine", "is registered as 'slicewise', but its name is 'mine'"),
        (SOURCE.replace('"mine"', "3") + "Slicewise = Mine", "name (=3) must be in kebab case"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_left_out_of_all(
    here: Path, code: str, complaint: str
) -> None:
    (here / "example_operator" / "slicewise.py").write_text(code)
    chosen = choose_methods(["all"])
    assert names(chosen) == sorted([*SHIPPED, "region-moments", "signal-encoder"])
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


def test_an_unknown_method() -> None:
    with pytest.raises(RequestError, match=r"^unknown method 'cross'; did you mean crossd"):
        load_method("cross")
