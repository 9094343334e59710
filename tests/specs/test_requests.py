"""Requests as data."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.cli import run
from crossbench.cli.arguments import run_request
from crossbench.errors import RequestError
from crossbench.pretraining import PretrainRequest
from crossbench.specs.reader import from_mapping, to_mapping
from crossbench.specs.requests import ALL, RunRequest, split_names
from crossbench.transfer import TransferRequest

names = st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)
numbers = st.lists(st.integers(min_value=0), max_size=3).map(tuple)
requests = st.builds(
    RunRequest,
    methods=names,
    tasks=names.filter(lambda tasks: tasks != (ALL,)),
    train_task=st.none() | st.text(),
    preset=st.text(),
    protocol=st.none() | st.text(),
    init=st.text(),
    statistics=st.sampled_from([None, "imagenet", "radimagenet"]),
    backbone=st.text(),
    seeds=st.none() | numbers,
    folds=st.none() | numbers,
    settings=names,
    plugins=names,
    data_dir=st.none() | st.text(),
    limit=st.none() | st.integers(min_value=1),
    strict=st.booleans(),
    diagnostics=st.booleans(),
    save_weights=st.booleans(),
    retry_failed=st.booleans(),
)


one = st.tuples(st.text(min_size=1).filter(lambda name: name != ALL))
number = st.tuples(st.integers(min_value=0))
pretrainings = st.builds(
    PretrainRequest,
    data=st.text(),
    run=st.builds(replace, requests, methods=one, seeds=number, folds=number),
    settings=names,
    out=st.text(),
)
transfers = st.builds(
    TransferRequest,
    source=st.text(),
    run=requests,
    protocols=names,
    pretrain_settings=names,
    inits=names,
    curve=names,
    out=st.text(),
)


@given(st.one_of(requests, pretrainings, transfers))
def test_a_request_survives_json(request: RunRequest | PretrainRequest | TransferRequest) -> None:
    told = json.loads(json.dumps(to_mapping(request)))
    assert from_mapping(type(request), told, where="request") == request


def test_every_field_is_drawn_above() -> None:
    drawn = "methods tasks train_task preset protocol init statistics backbone seeds folds"
    drawn += " settings plugins data_dir limit strict diagnostics save_weights retry_failed"
    assert [field.name for field in fields(RunRequest)] == drawn.split()


def test_a_callers_values_become_plain() -> None:
    request = RunRequest.of(methods="acs, conv3d", tasks=[ALL], seeds=range(2), init=Path("a.pth"))
    wanted = RunRequest(methods=("acs", "conv3d"), seeds=(0, 1), init="a.pth")
    assert request == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": [1]}, r"unknown option 'seed'; did you mean seeds\?"),
        ({"limit": "x"}, r"request: key 'limit' is 'x'; it must be a whole number"),
        ({"limit": 0}, r"limit \(=0\) must be at least 1"),
        (
            {"statistics": "imgnet"},
            r"unknown statistics 'imgnet'; did you mean imagenet or",
        ),
        (
            {"train_task": "x"},
            r"train_task \(='x'\) is for tasks of its classes, not for all; name",
        ),
        ({"methods": ""}, r"no names given; pass names separated by commas, or 'all'"),
        ({"tasks": ["all", "vessel"]}, r"'all' stands alone; leave the other names out"),
    ],
)
def test_what_is_no_request_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        RunRequest.of(**options)


@given(requests)
def test_the_command_line_reads_what_a_request_is_in_words(request: RunRequest) -> None:
    plain = RunRequest(
        methods=("acs", "conv3d"),
        tasks=("vessel",),
        train_task=None if request.train_task is None else "blood",
        seeds=request.seeds or None,
        settings=("fit.epochs=5", "fit.lr=0.1"),
        limit=request.limit,
        save_weights=request.save_weights,
        statistics=request.statistics,
        data_dir="data",
    )
    parser = argparse.ArgumentParser()
    run.add(parser.add_subparsers())
    assert run_request(parser.parse_args(["run", *plain.words()])) == plain


def test_names_are_taken_once() -> None:
    assert split_names("b, a,b,") == ["b", "a"]
