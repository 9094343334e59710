"""Traces of a machine, in texts of all kinds."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.submissions import traces
from crossbench.submissions.traces import trace_in, without_traces


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no such file: /home/ada/nets/w.pth", "no such file: .../w.pth"),
        ('File "/home/Ada Byron/my nets/mine.py", line 3', 'File ".../mine.py", line 3'),
        ("'/home/Ada Byron' is no file", "'~' is no file"),
        ("/home/ada", "~"),
        ("/Users/ada/x.py", ".../x.py"),
        ("C:\\Users\\ada\\nets\\x.py", ".../x.py"),
        ("weights=/scratch/run-3/w.pt", "weights=.../w.pt"),
        ("(/opt/lib/x.so: bad)", "(.../x.so: bad)"),
        ("~/project/w.pth", ".../w.pth"),
        ("/root/x/y.py", ".../y.py"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("a/b/c and 3/4 of /tmp", "a/b/c and 3/4 of /tmp"),
    ],
)
def test_of_a_path_the_last_part_stays(text: str, left: str) -> None:
    assert without_traces(text) == left


def test_texts_are_found_at_any_depth() -> None:
    value = {"a": ["/x/y/z.py", ("/x/y/z.py", 1)], "/x/y/k": None}
    assert without_traces(value) == {"a": [".../z.py", (".../z.py", 1)], ".../k": None}


def test_names_of_user_and_host_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "lovelace")
    monkeypatch.setattr(traces.socket, "gethostname", lambda: "engine7.example.org")
    traces._names.cache_clear()
    try:
        told = without_traces("lovelace@engine7 (engine7.example.org), not lovelaces")
    finally:
        traces._names.cache_clear()
    assert told == "<user>@<host> (<host>), not lovelaces"


@given(st.lists(st.from_regex(r"[a-z0-9 _.-]{1,12}", fullmatch=True), min_size=1, max_size=5))
def test_no_folder_of_a_quoted_path_stays(folders: list[str]) -> None:
    path = "/" + "/".join(f"{folder}q{number}" for number, folder in enumerate(folders)) + "/x.py"
    assert without_traces(f'File "{path}", line 1') == 'File ".../x.py", line 1'


def test_texts_that_may_not_change_are_only_searched() -> None:
    assert trace_in('w = "/home/ada/w.pth"') == "/home/ada"
    assert trace_in("C:/Users/ada/x") == "C:/Users/ada"
    assert trace_in("#!/usr/bin/env python") == ""
    home = Path.home()
    if len(home.parts) > 2:
        assert trace_in(f"x = {str(home)!r}") in {str(home), *re.findall(r"/home/\w+", str(home))}
