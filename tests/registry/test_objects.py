"""Objects of this process as methods: known by name, and refused where the name is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from own_method import METHOD

import crossbench
from crossbench.errors import RequestError
from crossbench.registry import claims
from crossbench.registry.method_identity import identify, is_of_this_process, sources
from crossbench.registry.methods import choose_methods, find_methods, load_method, load_plugin


class Mine:
    """Is registered by hand."""

    name = "mine"
    dims = (3,)

    def __init__(self, temp: float = 1.0) -> None:
        self.temp = temp

    def layer_2d(self, conv: Any) -> Any:
        return conv

    def layer_3d(self, layer: Any) -> Any:
        return layer


class Other(Mine):
    """Has the same name."""


@pytest.fixture(autouse=True)
def _none_registered() -> Iterator[None]:
    claims.objects.clear()
    yield
    claims.objects.clear()


def test_an_object_is_known_by_its_name_and_with_hyperparameters() -> None:
    mine = crossbench.register(Mine(temp=2))
    assert load_method("mine") is mine
    (warm,) = find_methods(["mine:temp=3"])
    assert (warm.name, type(warm), is_of_this_process(warm)) == ("mine:temp=3", Mine, True)
    assert identify(warm).config["temp"] == 3


def test_a_class_is_registered_by_a_decorator() -> None:
    assert crossbench.register(Mine) is Mine
    assert isinstance(load_method("mine"), Mine)


def test_an_object_of_the_same_class_takes_the_place_of_an_earlier_one() -> None:
    crossbench.register(Mine(temp=2))
    later = crossbench.register(Mine(temp=3))
    assert load_method("mine") is later


def test_its_source_is_the_file_of_its_class() -> None:
    found = sources(crossbench.register(Mine()))
    assert Path(__file__).read_bytes() in found.values()


def test_a_name_that_is_taken_is_refused_with_both_origins(tmp_path: Path) -> None:
    crossbench.register(Mine())
    message = (
        "method 'mine' is registered by an object of class Mine (crossbench.register) and an "
        "object of class Other (crossbench.register); rename one of them"
    )
    with pytest.raises(RequestError, match=re.escape(message)):
        crossbench.register(Other())
    mine = Mine()
    mine.name = "acs"
    message = "'acs' is registered by an object of class Mine (crossbench.register) and crossbench;"
    with pytest.raises(RequestError, match=re.escape(message)):
        crossbench.register(mine)
    file = tmp_path / "mine.py"
    file.write_text(METHOD)
    message = f"object of class Mine (crossbench.register) and plugin file {str(file)!r}; rename"
    with pytest.raises(RequestError, match=re.escape(message)):
        find_methods(["mine"], [str(file)])


def test_what_a_package_registers_may_be_handed_over_as_an_object() -> None:
    acs = load_method("acs")
    crossbench.register(type(acs)())
    assert not claims.objects
    assert not is_of_this_process(load_method("acs"))


def test_what_is_no_method_is_refused() -> None:
    message = "an object of class int is no method: it lacks name, dims, layer_2d, layer_3d"
    with pytest.raises(RequestError, match=message):
        crossbench.register(3)
    with pytest.raises(RequestError, match="method 'acs' is of no notebook; pass the file of its"):
        crossbench.write_plugin("acs", "new.py")


def test_a_file_that_has_changed_is_no_source_any_more(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(METHOD)
    method = load_plugin(str(file))
    assert sources(method) == {"<plugin>": METHOD.encode()}
    file.write_text(METHOD + "# more\n")
    with pytest.raises(RequestError, match="method 'mine': <plugin> has changed since it was load"):
        sources(method)
    file.unlink()
    with pytest.raises(RequestError, match="method 'mine': <plugin> cannot be read: "):
        sources(method)


def test_each_plugin_loads_on_its_own(tmp_path: Path) -> None:
    for name, text in (("good", METHOD), ("twin", METHOD), ("bad", "1 / 0"), ("taken", METHOD)):
        taken = text.replace('"mine"', '"acs"') if name == "taken" else text
        (tmp_path / f"{name}.py").write_text(taken)
    good, twin, bad, taken = (
        str(tmp_path / f"{name}.py") for name in ("good", "twin", "bad", "taken")
    )
    broken = f"plugin file {bad!r} cannot be imported: ZeroDivisionError"
    chosen = choose_methods(["conv3d", "mine"], [good, bad, taken])
    assert [each.name for each in chosen.methods] == ["conv3d", "mine"]
    assert [each.startswith(broken) for each in chosen.left_out] == [True]
    every = choose_methods(["all"], [good, good, bad, taken])
    assert {"mine", "conv3d"} < {each.name for each in every.methods}
    assert "acs" not in {each.name for each in every.methods}
    assert (
        f"'acs' is registered by crossbench and plugin file {taken!r}; rename" in every.left_out[1]
    )
    with pytest.raises(RequestError, match=re.escape("unknown method 'lost'; ")) as caught:
        choose_methods(["lost"], [bad])
    assert broken in str(caught.value)
    both = f"method 'mine' is registered by plugin file {good!r} and plugin file {twin!r}; rename"
    with pytest.raises(RequestError, match=re.escape(both)):
        choose_methods(["mine"], [good, twin])
    assert choose_methods(["acs"], [good, twin]).methods[0].name == "acs"
