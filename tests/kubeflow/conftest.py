"""Compiles files, and runs their pods as their platform would, without it."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click.testing
import pytest
import yaml

from tests.support import databases

ROOT = Path(__file__).parents[2]
# What the image has in its environment (kubeflow/Dockerfile).
IMAGE_ENV = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "1",
}
AT_ONCE = 2  # pods
SECRETS = {
    "marquee-metadata": {"user": databases.USER, "password": databases.PASSWORD},
    "marquee-webhook": {"url": "http://127.0.0.1:9/"},
}


@pytest.fixture(scope="session")
def compile_workflow() -> Callable[..., SimpleNamespace]:
    """Runs ``kubeflow/runner.py``; returns exit status, output and the written file."""
    from kubeflow.runner import main

    def run(output: Path, *options: str) -> SimpleNamespace:
        arguments = ["--image", "marquee:test", "--output", str(output), *options]
        done = click.testing.CliRunner().invoke(main, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        text = output.read_text() if output.exists() else ""
        return SimpleNamespace(status=done.exit_code, output=done.output, text=text)

    return run


@pytest.fixture(scope="session")
def depends() -> Callable[[str, dict[str, str]], bool]:
    """Returns whether Argo runs a task with a ``depends``, by the phases of tasks."""

    def holds(expression: str, phases: dict[str, str]) -> bool:
        def value(found: re.Match[str]) -> str:
            task, _, wanted = found[0].partition(".")
            phase = phases[task]
            # A task without a phase: it succeeded, or had nothing to do.
            return str(phase == wanted if wanted else phase in ("Succeeded", "Skipped"))

        if not expression:
            return True
        python = re.sub(r"[a-z0-9][a-z0-9-]*(\.[A-Z]\w+)?", value, expression)
        python = python.replace("&&", " and ").replace("||", " or ")
        return bool(eval(python))

    return holds


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """MariaDB on loopback, with the account of SECRETS; its host and port."""
    with databases.mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def spans() -> Callable[[Path, int], Iterator[Path]]:
    """Cuts the sample into spans with equal numbers of ratings, in order of time."""
    from pipeline import datasets

    def cut(folder: Path, count: int) -> Iterator[Path]:
        shutil.copytree(datasets.resolve("sample", lambda *_: None).folder, folder)
        ratings = folder / "ratings.dat"
        lines = ratings.read_text().splitlines()
        ratings.unlink()
        lines.sort(key=lambda line: int(line.split("::")[3]))
        size = len(lines) // count
        for number in range(1, count + 1):
            span = folder / str(number)
            span.mkdir()
            part = lines[(number - 1) * size : number * size]
            (span / "ratings.dat").write_text("\n".join(part) + "\n")
            (span / "_SUCCESS").touch()
            yield span

    return cut


@dataclass(frozen=True)
class Pod:
    """A step as its platform runs it.

    Attributes:
        words: Command and arguments.
        environment: Variable → its value, or the Secret and the key that hold it.
        attempts: Maximum number of attempts.
        seconds: Time limit of one attempt.
        waits_for: Names of the steps that must have ended before.
        runs: Returns whether it runs, by the phases of those steps.
    """

    words: tuple[str, ...]
    environment: dict[str, str | tuple[str, str]]
    attempts: int
    seconds: int
    waits_for: frozenset[str]
    runs: Callable[[dict[str, str]], bool]


@pytest.fixture(scope="session")
def pods_of_spec() -> Callable[[list[dict[str, Any]]], dict[str, Pod]]:
    """Returns the pods of a pipeline spec by the names of its tasks."""

    def pods(documents: list[dict[str, Any]]) -> dict[str, Pod]:
        spec, platform = documents
        added = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        dags = [spec["root"]["dag"], spec["components"]["comp-pipeline"]["dag"]]
        inner = frozenset(dags[1]["tasks"])
        found = {}
        for name, task in (item for dag in dags for item in dag["tasks"].items()):
            component = spec["components"][task["componentRef"]["name"]]
            if "executorLabel" not in component:
                continue
            label = component["executorLabel"]
            container = spec["deploymentSpec"]["executors"][label]["container"]
            secrets = {
                pair["envVar"]: (secret["secretName"], pair["secretKey"])
                for secret in added[label]["secretAsEnv"]
                for pair in secret["keyToEnv"]
            }
            before = frozenset(task.get("dependentTasks", ()))
            is_exit = "triggerPolicy" in task
            found[name] = Pod(
                words=(*container["command"], *container["args"]),
                environment={v["name"]: v["value"] for v in container["env"]} | secrets,
                attempts=task.get("retryPolicy", {}).get("maxRetryCount", 0) + 1,
                seconds=int(added[label].get("activeDeadlineSeconds", 3600)),
                waits_for=inner if is_exit else before,
                runs=functools.partial(_all_succeeded, () if is_exit else before),
            )
        return found

    return pods


def _all_succeeded(names: Iterable[str], phases: dict[str, str]) -> bool:
    return all(phases[name] == "Succeeded" for name in names)


class Machine:
    """Runs pods as processes, with retries, two at a time.

    Args:
        pods: Name → pod.
        run_id: Placeholder of the run's name.
        folder: Folder for logs.
    """

    def __init__(self, pods: dict[str, Pod], run_id: str, folder: Path):
        self._pods, self._run_id, self._folder = pods, run_id, folder

    def run(
        self,
        name: str,
        kill: str = "",
        kill_at: bytes = b"Going to run a new execution",
        lock_out: str = "",
        only: tuple[str, ...] = (),
        log_imports: bool = False,
    ) -> Any:
        """Runs all steps; returns the phase and the attempts of each.

        Args:
            name: Name of the run.
            kill: Step whose first attempt is killed while it is running.
            kill_at: What its log has by then.
            lock_out: Step whose Secrets have wrong values, so that it fails.
            only: Steps to run; empty for all of them.
            log_imports: Whether logs contain the name of every executed module.
        """
        run = SimpleNamespace(
            name=name,
            phases={},
            attempts={},
            locked_out=lock_out,
            kill_at=kill_at,
            environment={"PYTHONPROFILEIMPORTTIME": "1"} if log_imports else {},
        )
        waiting = set(only or self._pods)
        going: dict[Future[str], str] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while waiting or going:
                for step in sorted(waiting):
                    pod = self._pods[step]
                    if not only and not pod.waits_for <= set(run.phases):
                        continue
                    waiting.remove(step)
                    if not only and not pod.runs(run.phases):
                        run.phases[step] = "Omitted"
                        continue
                    going[pool.submit(self._step, run, step, kill)] = step
                for future in wait(going, return_when=FIRST_COMPLETED).done:
                    run.phases[going.pop(future)] = future.result()
        return run

    def log(self, run: Any, step: str) -> str:
        """Returns the output of all attempts."""
        return (self._folder / run.name / f"{step}.log").read_text()

    def logs(self, run: Any) -> list[Path]:
        """Returns the files with the output of all steps."""
        return list((self._folder / run.name).glob("*.log"))

    def imports(self, run: Any, step: str) -> set[str]:
        """Returns the modules that were executed, of a run with ``log_imports``."""
        lines = self.log(run, step).splitlines()
        return {
            line.rpartition("|")[2].strip()
            for line in lines
            if line.startswith("import time:")
        }

    def _step(self, run: Any, step: str, kill: str) -> str:
        for attempt in range(1, self._pods[step].attempts + 1):
            run.attempts[step] = attempt
            if self._attempt(run, step, step == kill and attempt == 1) == 0:
                return "Succeeded"
        return "Failed"

    def _attempt(self, run: Any, step: str, is_killed: bool) -> int:
        scratch = self._folder / run.name / f"{step}.tmp"
        shutil.rmtree(scratch, ignore_errors=True)  # each pod has a /tmp of its own
        scratch.mkdir(parents=True)

        def here(text: str) -> str:
            text = text.replace(self._run_id, run.name)
            return re.sub(r"^/tmp\b", str(scratch), text)

        pod = self._pods[step]
        program, *words = map(here, pod.words)
        env = IMAGE_ENV | run.environment | {"TMPDIR": str(scratch)}
        for name, value in pod.environment.items():
            if isinstance(value, tuple):
                secret = SECRETS[value[0]][value[1]]
                env[name] = "wrong" if step == run.locked_out else secret
            else:
                env[name] = here(value)
        with open(self._folder / run.name / f"{step}.log", "ab") as log:
            process = subprocess.Popen(
                [{"python": sys.executable}[program], *words],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if is_killed:
                killer = threading.Thread(
                    target=_kill_at_work, args=(process, Path(log.name), run.kill_at)
                )
                killer.start()
            return process.wait(pod.seconds)


def _kill_at_work(process: subprocess.Popen[bytes], log: Path, sign: bytes) -> None:
    """Kills all processes of a pod, as Kubernetes does if it takes too much memory."""
    while process.poll() is None and sign not in log.read_bytes():
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def machine() -> type[Machine]:
    """The class that runs the pods of a compiled file."""
    return Machine


@pytest.fixture(scope="session")
def cluster_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a cluster's YAML."""

    def write(**cluster: Any) -> Path:
        path = tmp_path_factory.mktemp("cluster") / "cluster.yaml"
        path.write_text(yaml.safe_dump(cluster))
        return path

    return write


@pytest.fixture(scope="module")
def cluster_with_volume(
    tmp_path_factory: pytest.TempPathFactory,
    cluster_file: Callable[..., Path],
    store: SimpleNamespace,
) -> Callable[[str], SimpleNamespace]:
    """Makes a volume, and a cluster's YAML with it, where a kind of step has no GPU."""

    def make(kind: str) -> SimpleNamespace:
        folder = tmp_path_factory.mktemp("cluster")
        volume = folder / "volume"
        cluster = cluster_file(
            root=f"{volume}/artifacts",
            live_folder=f"{volume}/live",
            volume={"path": str(volume)},
            metadata={"host": store.host, "port": store.port},
            steps={
                "default": {"retries": 1, "backoff_seconds": 1},
                kind: {"gpus": 0},
            },
        )
        return SimpleNamespace(folder=folder, volume=volume, file=cluster)

    return make


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """The URL of a webhook, and the messages that it received."""
    messages: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            messages.append(json.loads(self.rfile.read(size)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", messages
    server.shutdown()
    server.server_close()
