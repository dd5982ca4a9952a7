"""A workflow, and a machine that runs it as Argo and Kubernetes would, without them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click.testing
import pytest
import yaml

ROOT = Path(__file__).parents[2]
# What the image has in its environment (kubeflow/Dockerfile).
IMAGE_ENV = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "1",
}
AT_ONCE = 2  # pods
PASSWORD = "a password of these tests"
SECRETS = {
    "marquee-metadata": {"user": "marquee", "password": PASSWORD},
    "marquee-webhook": {"url": "http://127.0.0.1:9/"},
}


@pytest.fixture(scope="session")
def compile_workflow() -> Callable[..., SimpleNamespace]:
    """``python kubeflow/runner.py``: exit status, output and the file that it wrote."""
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
    """Whether Argo runs a task: its ``depends``, and task → phase of what ended."""

    def holds(expression: str, phases: dict[str, str]) -> bool:
        def value(found: re.Match[str]) -> str:
            task, _, wanted = found[0].partition(".")
            phase = phases[task]
            # A task alone: it succeeded, or had nothing to do.
            return str(phase == wanted if wanted else phase in ("Succeeded", "Skipped"))

        python = re.sub(r"[a-z0-9][a-z0-9-]*(\.[A-Z]\w+)?", value, expression)
        python = python.replace("&&", " and ").replace("||", " or ")
        return bool(eval(python))

    return holds


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """MariaDB on loopback: host and port, and the account of SECRETS."""
    missing = [n for n in ("mariadb-install-db", "mariadbd") if not shutil.which(n)]
    if missing:
        pytest.fail(f"no {missing[0]}: apt-get install mariadb-server (Debian, Ubuntu)")
    folder = tmp_path_factory.mktemp("mariadb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = ["--user=root"] if os.getuid() == 0 else []
    subprocess.run(
        [
            *("mariadb-install-db", "--no-defaults", f"--datadir={folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", *user),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    accounts = folder / "accounts.sql"
    accounts.write_text(
        f"CREATE USER 'marquee'@'%' IDENTIFIED BY '{PASSWORD}';"
        "\nGRANT ALL ON marquee.* TO 'marquee'@'%';\n"
    )
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [
                *("mariadbd", "--no-defaults", f"--datadir={folder}/data", *user),
                *(f"--socket={folder}/socket", "--bind-address=127.0.0.1"),
                *(f"--port={port}", f"--init-file={accounts}"),
            ],
            stderr=log,
        )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"mariadbd: {(folder / 'log').read_text()}")
                time.sleep(0.2)
        yield SimpleNamespace(host="127.0.0.1", port=port)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


@pytest.fixture(scope="session")
def spans() -> Callable[[Path, int], Iterator[Path]]:
    """Cuts the sample into spans of as many ratings each, in the order of time."""
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


class Pods:
    """Runs the steps of a workflow: each in its own process, retried, two at a time."""

    def __init__(self, workflow: dict[str, Any], depends: Any, folder: Path):
        spec = workflow["spec"]
        self.templates = {t["name"]: t for t in spec["templates"]}
        [self.dag] = [t["dag"]["tasks"] for t in spec["templates"] if "dag" in t]
        self.parameters = {
            each["name"]: each["value"] for each in spec["arguments"]["parameters"]
        }
        self._depends = depends
        self._folder = folder

    def run(self, name: str, kill: str = "", only: tuple[str, ...] = ()) -> Any:
        """One run: what became of each task, how often it was tried, and its log.

        Args:
            name: of the workflow.
            kill: the task whose first attempt is killed in the middle of its work.
            only: tasks to run; empty for all of them.
        """
        run = SimpleNamespace(name=name, phases={}, attempts={}, seconds={})
        waiting = {
            task["name"]: task for task in self.dag if not only or task["name"] in only
        }
        going: dict[Future[str], str] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while waiting or going:
                for task in list(waiting.values()):
                    wanted = task.get("depends", "") if not only else ""
                    if set(re.findall(r"[a-z0-9-]+[a-z0-9]", _tasks(wanted))) - set(
                        run.phases
                    ):
                        continue
                    del waiting[task["name"]]
                    if wanted and not self._depends(wanted, run.phases):
                        run.phases[task["name"]] = "Omitted"
                        continue
                    future = pool.submit(self._step, run, task, kill)
                    going[future] = task["name"]
                for future in wait(going, return_when=FIRST_COMPLETED).done:
                    run.phases[going.pop(future)] = future.result()
        return run

    def log(self, run: Any, task: str) -> str:
        """Of all attempts."""
        return (self._folder / run.name / f"{task}.log").read_text()

    def _step(self, run: Any, task: dict[str, Any], kill: str) -> str:
        template = self.templates[task["template"]]
        tries = int(template["retryStrategy"]["limit"]) + 1
        started = time.monotonic()
        for attempt in range(1, tries + 1):
            run.attempts[task["name"]] = attempt
            is_killed = task["name"] == kill and attempt == 1
            status = self._pod(run, task["name"], template, is_killed)
            if status == 0:
                break
        run.seconds[task["name"]] = time.monotonic() - started
        return "Failed" if status else "Succeeded"

    def _pod(
        self, run: Any, task: str, template: dict[str, Any], is_killed: bool
    ) -> int:
        scratch = self._folder / run.name / f"{task}.tmp"
        shutil.rmtree(scratch, ignore_errors=True)  # an emptyDir is of one pod
        scratch.mkdir(parents=True)

        def here(text: str) -> str:
            text = re.sub(r"^/tmp\b", str(scratch), text)  # the pod's own
            for name, value in self.parameters.items():
                text = text.replace(f"{{{{inputs.parameters.{name}}}}}", value)
            return text

        container = template["container"]
        words = [*container["command"], *map(here, container["args"])]
        words[0] = {"python": sys.executable}[words[0]]
        env = IMAGE_ENV | {"TMPDIR": str(scratch)}
        for variable in container["env"]:
            env[variable["name"]] = here(_value(variable, run.name))
        with open(self._folder / run.name / f"{task}.log", "ab") as log:
            process = subprocess.Popen(
                words, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
            )
            if is_killed:
                killer = threading.Thread(
                    target=_kill_at_work, args=(process, Path(log.name))
                )
                killer.start()
            limit = template["activeDeadlineSeconds"]
            return process.wait(limit)


def _tasks(expression: str) -> str:
    return re.sub(r"\.[A-Z]\w+", "", expression)


def _value(variable: dict[str, Any], run: str) -> str:
    if "value" in variable:
        return str(variable["value"])
    source = variable["valueFrom"]
    if "secretKeyRef" in source:
        reference = source["secretKeyRef"]
        return SECRETS[reference["name"]][reference["key"]]
    path = source["fieldRef"]["fieldPath"]
    return run if "workflow" in path else path


def _kill_at_work(process: subprocess.Popen[bytes], log: Path) -> None:
    """As Kubernetes ends a pod that takes too much memory: without a word to it."""
    while process.poll() is None and b"Going to run a new execution" not in (
        log.read_bytes()
    ):
        time.sleep(0.1)
    process.kill()


@pytest.fixture(scope="session")
def pods(depends: Any) -> Callable[[dict[str, Any], Path], Pods]:
    """The machine, for one workflow and a folder of its own."""
    return lambda workflow, folder: Pods(workflow, depends, folder)


@pytest.fixture(scope="session")
def cluster_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a cluster's YAML."""

    def write(**cluster: Any) -> Path:
        path = tmp_path_factory.mktemp("cluster") / "cluster.yaml"
        path.write_text(yaml.safe_dump(cluster))
        return path

    return write
