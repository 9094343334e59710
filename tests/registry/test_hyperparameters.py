"""Methods built with other values than the usual ones, under names of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossbench.errors import RequestError
from crossbench.methods import Method
from crossbench.registry.method_identity import method_hash, read_config
from crossbench.registry.methods import choose_methods, find_methods, load_method

KNOB = """
class Knob:
    name = "knob"
    dims = (3,)
    def __init__(self, temp=1.0, views=3, mode="mean", bias=False, top=None):
        if temp <= 0:
            raise ValueError("temp must be positive")
        self.temp, self.views, self.mode, self.bias, self.top = temp, views, mode, bias, top
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        return layer
"""
CLASS, OBJECT = f"{KNOB}method = Knob\n", f"{KNOB}method = Knob(views=5)\n"


def find(folder: Path, name: str, text: str = CLASS) -> Method:
    file = folder / "knob.py"
    file.write_text(text)
    (method,) = find_methods([name], [str(file)])
    return method


def test_values_reach_the_class_in_the_type_of_their_defaults(tmp_path: Path) -> None:
    method = find(tmp_path, "knob:temp=2:mode=3d:bias=true:top=4:views=7")
    assert method.name == "knob:bias=true:mode=3d:temp=2:top=4:views=7"
    config = read_config(method)
    assert [config[key] for key in ("temp", "views", "mode", "bias", "top")] == [
        2.0,
        7,
        "3d",
        True,
        4,
    ]
    assert isinstance(config["temp"], float)


@pytest.mark.parametrize("given", ["temp=1", "temp=1.0:views=3", "mode=mean:bias=false"])
def test_usual_values_leave_a_name_as_it_is(tmp_path: Path, given: str) -> None:
    method = find(tmp_path, f"knob:{given}")
    assert method.name == "knob"
    assert method_hash(method) == method_hash(find(tmp_path, "knob"))


def test_values_are_a_part_of_the_identity_in_any_order(tmp_path: Path) -> None:
    one, other = find(tmp_path, "knob:views=2:temp=3"), find(tmp_path, "knob:temp=3.0:views=2")
    assert (one.name, method_hash(one)) == (other.name, method_hash(other))
    assert method_hash(one) != method_hash(find(tmp_path, "knob:temp=3"))


def test_an_instance_keeps_what_it_was_built_with(tmp_path: Path) -> None:
    method = find(tmp_path, "knob:temp=2", OBJECT)
    assert (method.name, read_config(method)["views"]) == ("knob:temp=2", 5)
    assert find(tmp_path, "knob:views=5", OBJECT).name == "knob"
    assert find(tmp_path, "knob:views=3", OBJECT).name == "knob:views=3"


def test_an_instance_whose_arguments_cannot_be_told_takes_none(tmp_path: Path) -> None:
    hidden = OBJECT.replace("self.views, ", "self.planes, ")
    message = "method 'knob' is not what Knob() makes; keep what its class is called with in"
    with pytest.raises(RequestError, match=re.escape(message)):
        find(tmp_path, "knob:temp=2", hidden)


def test_a_class_that_needs_arguments_is_asked_for_with_them(tmp_path: Path) -> None:
    text = CLASS.replace("temp=1.0", "temp")
    assert find(tmp_path, "knob:temp=2", text).name == "knob:temp=2"
    with pytest.raises(RequestError, match="'knob' needs temp: write knob:temp=VALUE"):
        find(tmp_path, "knob:views=2", text)
    with pytest.raises(RequestError, match=r"knob\.py cannot be made without arguments: TypeError"):
        find(tmp_path, "knob", text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("tmp=2", "method 'knob': unknown hyperparameter 'tmp'; did you mean temp"),
        ("tmp=2", "it takes temp=1, views=3, mode=mean, bias=false, top=null"),
        ("temp=hot", "method 'knob': temp (='hot') must be a number; it takes temp=1, views=3"),
        ("views=true", "method 'knob': views (='true') must be a number"),
        ("bias=1", "method 'knob': bias (='1') must be true or false"),
        ("temp=-1", "knob:temp=-1 cannot be made; it takes temp=1, views=3"),
        ("temp=-1", "ValueError: temp must be positive"),
        ("temp", "'temp' is no key=value"),
    ],
)
def test_what_a_method_does_not_take_is_named(tmp_path: Path, given: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        find(tmp_path, f"knob:{given}")


def test_registered_methods_take_hyperparameters_too() -> None:
    assert load_method("softacs:temp=0.5").name == "softacs:temp=0.5"
    with pytest.raises(RequestError, match="'acs': it takes no hyperparameters, so leave temp out"):
        load_method("acs:temp=2")


def test_one_method_under_two_spellings_is_chosen_once() -> None:
    chosen = choose_methods(["softacs:temp=2.0", "softacs:temp=2", "softacs"])
    assert [each.name for each in chosen.methods] == ["softacs:temp=2", "softacs"]


def test_a_name_that_cannot_be_set_is_refused(tmp_path: Path) -> None:
    fixed = CLASS.replace('name = "knob"', 'name = property(lambda self: "knob")')
    with pytest.raises(RequestError, match="its name cannot be set to 'knob:temp=2'"):
        find(tmp_path, "knob:temp=2", fixed)
