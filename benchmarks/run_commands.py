"""What ``make bench-run`` measures: trees, and the commands to run in them."""

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.processes import cpu_seconds, wait_for_orphans
from pipeline.runs.status import Status
from trainer_modules.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODELS = ("popularity", "mf_als", "attrec")
ONE_MORE = "gmf"
USER = "42"
START_SECONDS = 120.0


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Wall-clock time.
        cpu: CPU seconds of its processes; None for a part of a command.
    """

    seconds: float
    cpu: float | None


@dataclass(frozen=True)
class Tree:
    """Sources with their environment.

    Attributes:
        name: Name in the table.
        folder: Folder of the sources, with ``.venv``.
    """

    name: str
    folder: Path

    def start(self, program: str, *arguments: object) -> "subprocess.Popen[bytes]":
        """Starts a program of the environment, without output."""
        return subprocess.Popen(
            [self.folder / ".venv" / "bin" / program, *map(str, arguments)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def timed(self, program: str, *arguments: object) -> Cost:
        """Runs a program to its end.

        Raises:
            click.ClickException: If it fails.
        """
        started = time.perf_counter()
        status, cpu = _ended(self.start(program, *arguments))
        seconds = time.perf_counter() - started
        # A run whose every model is rejected has done all of its work.
        if status not in (0, Status.REFUSED.exit_status):
            command = " ".join([program, *map(str, arguments)])
            raise click.ClickException(f"{self.name}: {command} ended with {status}")
        return Cost(seconds, cpu)


Measure = Callable[[Tree, Path], Cost]


@dataclass(frozen=True)
class Row:
    """A command to measure.

    Attributes:
        what: Name of the row.
        measure: Runs it in a tree, with the tree's folder of runs.
        ratio: Upper bound of the ratio of this tree's seconds to the earlier commit's.
        seconds: Upper bound of this tree's seconds.
    """

    what: str
    measure: Measure
    ratio: float | None = None
    seconds: float | None = None


def marquee(*arguments: object) -> Measure:
    """Returns a measurement of a command in the folder of the rows before."""
    return lambda tree, out: tree.timed("marquee", *arguments, "--out", out)


def one_more_model(tree: Tree, out: Path) -> Cost:
    """Trains one more model, all others being cached; measures its steps.

    Returns:
        The seconds of its Trainer and its Evaluator, without those of the training.
    """
    models = ",".join([*DEFAULT_MODELS, ONE_MORE])
    tree.timed("marquee", "run", "--models", models, "--out", out)
    record = json.loads(max(out.glob("runs/*/run.json")).read_text())
    seconds = {step["name"]: step["seconds"] for step in record["steps"]}
    [training] = [
        model["train_seconds"]
        for model in record["models"]
        if model["name"] == ONE_MORE
    ]
    steps = seconds[f"Trainer_{ONE_MORE}"] + seconds[f"Evaluator_{ONE_MORE}"]
    return Cost(steps - training, None)


def first_answer(tree: Tree, out: Path) -> Cost:
    """Measures ``marquee serve`` from its start to its first list.

    Raises:
        click.ClickException: If it does not answer within two minutes.
    """
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1/recommend/{USER}"
    started = time.perf_counter()
    process = tree.start("marquee", "serve", "--out", out, "--port", port)
    seconds = None
    while seconds is None and time.perf_counter() - started < START_SECONDS:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url).close()
            seconds = time.perf_counter() - started
        time.sleep(0.05)
    process.terminate()
    _, cpu = _ended(process)
    if seconds is None:
        raise click.ClickException(f"{tree.name}: the server did not answer")
    return Cost(seconds, cpu)


SAMPLE = (
    Row("run", marquee("run"), ratio=0.45),
    Row("run with nothing new", marquee("run"), seconds=4),
    Row("recommend", marquee("recommend", "--user", USER), seconds=3),
    Row("versions", marquee("versions"), seconds=0.5),
    Row("show", marquee("show"), seconds=0.5),
    Row("lineage", marquee("lineage"), seconds=2),
    Row("serve, first answer", first_answer, seconds=6),
    Row("one more model, without its training", one_more_model, seconds=6),
)


def movielens(data: str, models: Sequence[str], ratio: float) -> Row:
    """Returns the row of a fresh run on MovieLens."""
    command = ("run", "--data", data, "--models", ",".join(models))

    def measure(tree: Tree, out: Path) -> Cost:
        return tree.timed("marquee", *command, "--out", out / data)

    return Row(f"run, {data}, {len(models)} models", measure, ratio=ratio)


MOVIELENS = (
    movielens("ml-1m", DEFAULT_MODELS, 0.6),
    movielens("ml-100k", tuple(MODELS), 0.5),
)


def _ended(process: "subprocess.Popen[bytes]") -> tuple[int, float]:
    """Waits for a process, and for what it left behind.

    Returns:
        The exit status of the process, and the CPU seconds of all.
    """
    before = cpu_seconds()
    status = process.wait()
    wait_for_orphans()
    return status, cpu_seconds() - before


def earlier_tree(commit: str) -> Tree:
    """Returns a commit's tree in build/ with its environment, made at the first use."""
    folder = ROOT / "build" / "run" / commit
    if not folder.exists():
        folder.mkdir(parents=True)
        sources = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=sources.stdout, check=True)
    subprocess.run(["make", "--silent", "install"], cwd=folder, check=True)
    return Tree(commit, folder)
