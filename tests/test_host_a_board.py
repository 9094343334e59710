"""The workflow of docs/host-a-board.md, its steps run in repositories of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from made_submission import BESIDE, PLUGIN, SETTINGS, TASK, Made

import crossbench
from crossbench.hosting.changes import new_board
from crossbench.hosting.folder import BoardSettings, open_board
from crossbench.submissions.submission import submit

WORKFLOW = Path(__file__).parents[1] / "docs" / "examples" / "board-workflow.yml"


def commands(job: str) -> list[str]:
    """What the steps of a job run, but for installing crossbench, which is here."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]
    found = {step["name"]: step["run"] for step in steps if "run" in step}
    assert found.pop("Install crossbench").startswith("pip install 'crossbench[figures]'")
    return list(found.values())


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as GitHub runs it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
    environment = os.environ | identity | {"PATH": path}
    environment |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of real runs."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "inflation.py").write_text(BESIDE)
    crossbench.run(
        "mine",
        TASK,
        plugins=[str(folder / "mine.py")],
        preset="smoke",
        settings=SETTINGS,
        seeds=[43, 44],
        device="cpu",
        out=folder / "results",
    )
    submit(Made(folder / "results", folder / "mine.py").request(), folder / "mine.zip")
    return folder / "mine.zip"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone of a repository with an empty board."""
    folder = tmp_path / "clone"
    begun = shell("git init -q --bare -b main origin && git clone -q origin clone", tmp_path)
    assert begun.returncode == 0, begun.stderr
    new_board(folder / "board", BoardSettings(title="A board in git"))
    (folder / "incoming").mkdir()
    (folder / "incoming" / ".gitkeep").touch()
    done = shell("git checkout -qb main; git add . && git commit -qm Begin", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_workflow_takes_a_bundle_from_a_proposal_to_the_site(
    repository: Path, bundle: Path
) -> None:
    (repository / "incoming" / "mine.zip").write_bytes(bundle.read_bytes())
    shell("git add incoming && git commit -qm Propose", repository)
    for command in commands("validate"):
        done = shell(command, repository)
        assert done.returncode == 0, done.stderr
    assert open_board(repository / "board").submissions == ()
    assert (repository / "trial-site" / "index.html").is_file()
    shell("rm -r trial trial-site", repository)

    for _ in range(2):  # a second time there is nothing to accept
        for command in commands("publish"):
            done = shell(command, repository)
            assert done.returncode == 0, done.stderr
    assert [each.state for each in open_board(repository / "board").submissions] == ["in force"]
    assert "A. Author" in (repository / "site" / "index.html").read_text()
    log = shell("git log --format=%s origin/main", repository).stdout.splitlines()
    assert log == ["Accept what was proposed", "Propose", "Begin"]
    held = shell("git ls-tree -r --name-only origin/main", repository).stdout
    assert "board/submissions/mine-" in held
    assert "incoming/mine.zip" not in held


@pytest.mark.slow
def test_the_workflow_stops_at_a_bundle_that_does_not_hold(repository: Path, bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    (repository / "incoming" / "mine.zip").write_bytes(content)
    assert shell(commands("validate")[0], repository).returncode == 1
    assert shell(commands("publish")[0], repository).returncode == 2
    assert open_board(repository / "board").submissions == ()
