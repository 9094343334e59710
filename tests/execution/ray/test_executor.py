"""A real Ray cluster of two nodes on this machine, whose files are elsewhere than the driver's."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from balls import write_balls
from small_disk import lost_weights, records, try_twice

from crossbench.results.records.benches import read_benches
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Ray leaves files open in the process that starts a cluster.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
    ),
]

PLUGIN = """\
import os
from torch import nn
from crossbench_baselines.conv3d import Conv3d
from parts import SCALE

class Layer(nn.Conv3d):
    def forward(self, x):
        return SCALE * super().forward(x)

class Vanishing(nn.Conv3d):
    def forward(self, x):
        if x.abs().sum() > 0:  # the plan tries networks on no data
            os._exit(0)
        return super().forward(x)

class Mine(Conv3d):
    def __init__(self, name="mine", kind="Layer"):
        self.name, self.kind = name, kind
    def layer_3d(self, layer):
        made = super().layer_3d(layer)
        made.__class__ = globals()[self.kind]
        return made

method = Mine()
vanishing = Mine("vanishing", "Vanishing")
"""
SLEEPER = """\
import time
from pathlib import Path
from torch import nn
from crossbench_baselines.conv3d import Conv3d

class Layer(nn.Conv3d):
    def forward(self, x):
        while x.abs().sum() > 0:  # the plan tries networks on no data
            Path({note!r}).touch()
            try:
                time.sleep(600)
            except KeyboardInterrupt:
                if not {stubborn}:
                    raise
        return super().forward(x)

class Sleeper(Conv3d):
    name = "sleeper"
    def layer_3d(self, layer):
        made = super().layer_3d(layer)
        made.__class__ = Layer
        return made

method = Sleeper()
"""
SMALL = 80 * 2**20  # bytes: as small an object store as Ray takes


class Machines:
    """Two nodes of one CPU each, and a head that does no runs."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address = cluster.address
        self.nodes = [self.add(), self.add()]

    def add(self, **variables: str) -> Any:
        return self._cluster.add_node(
            num_cpus=1, object_store_memory=SMALL, include_dashboard=False, env_vars=variables
        )

    def kill(self, node: Any) -> None:
        """End a node's processes at once."""
        self._cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """The cluster; its cache is its own, as on other machines."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSBENCH_CACHE", str(tmp_path_factory.mktemp("nodes")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        head = {"num_cpus": 0, "object_store_memory": SMALL, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield Machines(cluster)
        finally:
            cluster.shutdown()


@pytest.fixture
def words(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """The command line of two methods and the plain baselines on three folds of blobs."""
    make_task()

    def build(out: str, *more: str, methods: str = "acs,conv3d", epochs: int = 4) -> list[str]:
        return [
            "run", "--method", methods, "--task", "blobs.toml", "--seeds", "43",
            "--folds", "0", "1", "2", "--out", out, "--device", "cpu",
            "--data-dir", ".", "--backbone", "test_resnet",
            "--set", f"fit.epochs={epochs}", "--set", "compute.threads=1", *more,
        ]  # fmt: skip

    return build


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """The command in a process of its own, which heeds Ctrl-C."""

    def begin(words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "crossbench", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    return begin


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=600)  # where much else runs
    return process.returncode, said


def results(out: Path) -> dict[str, Any]:
    store = Store(out)
    assert not store.broken()
    return {
        record.identity: (record.status, record.metrics, record.predictions_sha256)
        for record in store.records()
    }


_here: dict[str, Any] = {}


def once(start: Callable[..., Any], words: Callable[..., list[str]], folder: Path) -> Any:
    """Results of the command without Ray, which several tests compare with."""
    if not _here:
        code, said = finish(start(words("here", "--no-isolate")))
        assert code == 0, said
        _here.update(results(folder / "here"))
    return _here


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def workers() -> list[int]:
    """Processes that do runs, of Ray's workers or their servers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parents = (folder / "status").read_text()
        except OSError:
            continue
        if command.startswith(b"ray::crossbench") and "State:\tZ" not in parents:
            found.append(int(folder.name))
    return found


def at_work(node: Any) -> bool:
    """Whether a process of a node does runs."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task").glob("*/children")
    return any(str(each) in file.read_text().split() for file in children for each in workers())


def test_results_are_those_of_one_machine_and_a_plugin_travels_by_content(
    machines: Machines, words: Callable[..., list[str]], start: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "parts.py").write_text("SCALE = 0.5\n")
    for name in ("torch", "numpy", "json"):  # of the working folder, which nothing may import
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    plugins = ["--plugin", "mine.py", "--plugin", "mine.py:vanishing"]
    one_fold = ["--folds", "0", *plugins]
    here, there = (
        words(out, *one_fold, *more, methods="conv3d,mine,vanishing")
        for out, more in (("here", ["--jobs", "2"]), ("there", on(machines)))
    )
    assert finish(start(here))[0] == 1
    code, said = finish(start(there))
    assert code == 1, said
    assert "on Ray: 2 at a time" in said
    assert "4 runs done, 1 failed, 0 already there" in said
    assert "its process ended with exit status 0 before its work was done" in said
    assert results(tmp_path / "there") == results(tmp_path / "here")
    assert not (tmp_path / "ran").exists()
    failed = [each for each in Store(tmp_path / "there").records() if each.error]
    assert all((tmp_path / "there" / each.error["log"]).is_file() for each in failed if each.error)
    assert not list((tmp_path / "there").rglob("*.tmp"))


def on(machines: Machines) -> list[str]:
    return ["--executor", "ray", "--address", machines.address]


def test_data_larger_than_the_object_store_is_sent(
    machines: Machines,
    words: Callable[..., list[str]],
    start: Callable[..., Any],
    make_task: Callable[..., Path],
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(18_000) // 2 % 2
    images = random.integers(0, 200, (18_000, 18, 18, 18), dtype=np.uint8)
    images[labels == 1, 4:12] += 40
    make_task(images=images, labels=labels, groups=np.arange(18_000) // 2)
    assert (tmp_path / "blobs.npz").stat().st_size > SMALL
    few = ["--set", "input.max_samples=60", "--folds", "0"]
    assert finish(start(words("here", *few, methods="conv3d")))[0] == 0
    # To each process, a folder of this name is its own.
    there = words("there", *few, "--data-dir", "/proc/self/cwd", *on(machines), methods="conv3d")
    code, said = finish(start(there))
    assert code == 0, said
    assert results(tmp_path / "there") == results(tmp_path / "here")


def test_a_transfer_pretrains_here_and_runs_there(
    machines: Machines, start: Callable[..., Any], tmp_path: Path
) -> None:
    cards = write_balls(tmp_path)
    words = ["transfer", "--source", cards[2].name, "--target", cards[3].name, "--device", "cpu"]
    words += ["--method", "conv3d", "--protocol", "finetune", "--backbone", "test_resnet"]
    for setting in ("fit.epochs=1", "split.folds=2", "compute.threads=1"):
        words += ["--set", setting]
    for setting in ("epochs=1", "batch_size=8", "threads=1"):
        words += ["--pretrain-set", setting]
    assert finish(start([*words, "--out", "here"]))[0] == 0
    # To each process, a folder of this name is its own: the weights are sent.
    code, said = finish(start([*words, "--out", "/proc/self/cwd/there", *on(machines)]))
    assert code == 0, said
    assert "on Ray: 2 at a time" in said
    found = results(tmp_path / "there")
    assert len(found) == 2 * (2 + 2)  # folds, weights, plain baselines
    assert found == results(tmp_path / "here")


def test_a_bench_measures_each_network_on_a_node_alone(
    machines: Machines, start: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "parts.py").write_text("SCALE = 0.5\n")
    words = ["bench", "models", "--method", "mine,conv2d", "--plugin", "mine.py", "--out", "out"]
    words += ["--input", "32x32x32", "32", "--batch", "2", "--backbone", "test_resnet"]
    words += ["--device", "cpu", "--repeats", "2", *on(machines)]
    code, said = finish(start(words))
    assert code == 0, said
    found, broken = read_benches([tmp_path / "out"])
    assert broken == []
    measured = {
        (record.case, record.workload): {each.method: each.status for each in record.measurements}
        for _, record in found
    }
    volumes, images = {"nn.Conv3d": "ok", "mine": "ok"}, {"nn.Conv2d": "ok", "conv2d": "ok"}
    assert measured == {
        ("32x32x32", "forward"): volumes,
        ("32x32x32", "train-step"): volumes,
        ("32x32", "forward"): images,
        ("32x32", "train-step"): images,
    }
    for _, record in found:
        assert record.threads == 1
        assert record.provenance["hardware"]["device"] == "cpu"
        assert set(record.provenance["methods"]) == {"mine", "conv2d"}


def test_the_runs_of_a_node_that_is_killed_go_elsewhere(
    machines: Machines, words: Callable[..., list[str]], start: Callable[..., Any], tmp_path: Path
) -> None:
    alone = once(start, words, tmp_path)
    for attempt in range(4):  # a node may have told all of its last run when it is killed
        out = f"there{attempt}"
        process = start(words(out, *on(machines)))
        node = machines.nodes.pop()
        wait_for(
            lambda out=out, node=node: list((tmp_path / out).rglob("*.json")) and at_work(node)
        )
        machines.kill(node)
        code, said = finish(process)
        machines.nodes.append(machines.add())
        assert code == 0, said
        assert "12 runs done, 0 failed, 0 already there" in said
        assert results(tmp_path / out) == alone
        if "; another node does it" in said:
            return
    pytest.fail("no node was killed in the middle of a run")


def test_the_command_goes_on_where_a_driver_was_killed(
    machines: Machines, words: Callable[..., list[str]], start: Callable[..., Any], tmp_path: Path
) -> None:
    process = start(words("there", *on(machines)))
    wait_for(lambda: list((tmp_path / "there").rglob("*.json")))
    process.kill()
    process.wait()
    written = results(tmp_path / "there")
    assert written
    wait_for(lambda: not workers())
    code, said = finish(start(words("there", *on(machines))))
    assert code == 0, said
    assert results(tmp_path / "there").items() >= written.items()
    assert results(tmp_path / "there") == once(start, words, tmp_path)


def test_without_room_for_a_record_the_sweep_ends_and_goes_on_from_there(
    machines: Machines, words: Callable[..., list[str]], start: Callable[..., Any], tmp_path: Path
) -> None:
    tries = try_twice(words("disk/out", *on(machines)), tmp_path, room="48K")
    assert tries.codes == (2, 0), tries.said
    assert "cannot be written: [Errno 28] No space left on device" in tries.said
    assert "Traceback" not in tries.said
    assert 0 < len(records(tries.full)) < 12
    assert results(tries.done) == once(start, words, tmp_path)


def test_a_run_without_room_for_its_weights_fails_and_the_others_are_done(
    machines: Machines, words: Callable[..., list[str]], tmp_path: Path
) -> None:
    alone = ["--jobs", "1", "--save-weights", "--folds", "0", *on(machines)]
    tries = try_twice(words("disk/out", *alone), tmp_path, room="200K")
    assert lost_weights(tries).startswith("standard/blobs/conv3d/")


def test_a_node_with_other_versions_does_nothing(
    machines: Machines, words: Callable[..., list[str]], start: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "other" / "timm-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: timm\nVersion: 0.0.1\n")
    while machines.nodes:
        machines.kill(machines.nodes.pop())
    machines.add(PYTHONPATH=str(other.parent))
    few = words("there", *on(machines), "--folds", "0", methods="conv3d")
    code, said = finish(start(few))
    assert code == 2, said
    assert "no node of the Ray cluster has room for a run, which takes 1 CPU" in said
    assert " has timm 0.0.1 instead of " in said
    assert not results(tmp_path / "there")
    machines.nodes.append(machines.add())
    code, said = finish(start(few))
    assert code == 0, said


@pytest.mark.parametrize(
    ("sent", "code"), [((signal.SIGINT,) * 2, 130), ((signal.SIGTERM,), -signal.SIGTERM)]
)
def test_interruptions_end_the_command_as_on_one_machine(
    machines: Machines,
    words: Callable[..., list[str]],
    start: Callable[..., Any],
    tmp_path: Path,
    sent: tuple[signal.Signals, ...],
    code: int,
) -> None:
    """A run that takes no heed of the first ends with the second."""
    note = tmp_path / "begun"
    plugin = SLEEPER.format(note=str(note), stubborn=len(sent) > 1)
    (tmp_path / "sleeper.py").write_text(plugin)
    more = ["--folds", "0", "--plugin", "sleeper.py", *on(machines)]
    process = start(words("there", *more, methods="sleeper"))
    wait_for(note.exists)
    for each in sent:
        process.send_signal(each)
        time.sleep(0.5)
    assert finish(process)[0] == code
    wait_for(lambda: not workers())
    assert "sleeper" not in {record.key.method for record in Store(tmp_path / "there").records()}
    assert not list((tmp_path / "there").rglob("*.tmp"))


def test_a_cluster_of_ones_own_ends_with_the_command(
    words: Callable[..., list[str]],
    start: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    before = set(Path(tempfile.gettempdir()).glob("crossbench-*/session_*"))
    process = start(words("there", "--executor", "ray", "--jobs", "1"))
    wait_for(lambda: list((tmp_path / "there").rglob("*.json")))
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == 130, said
    assert "interrupted; the same command goes on from here" in said
    wait_for(lambda: not workers())
    assert set(Path(tempfile.gettempdir()).glob("crossbench-*/session_*")) <= before
    assert results(tmp_path / "there")
    assert not list(tmp_path.glob("home/.ray/*"))  # a token, for which later clusters would ask
