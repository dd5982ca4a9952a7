"""A standalone Flink on loopback, used as ``with Cluster(folder) as cluster``.

It consists of a JobManager, TaskManagers of one slot each and, for Beam, a pool of
workers beside each TaskManager, and Beam's job server. Each is a process, ended by its
id.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
JARS = ROOT / "build" / "flink" / "jars"
POOL_PORT = 50000
# Name of a TaskManager's own pool, which its own file of hosts resolves.
POOL_HOST = "worker-pool"
SECONDS_TO_START = 120

_CONFIGURATION = "conf"
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_MEMORY_FIGURES = "org.apache.flink.runtime.util.bash.BashJavaUtils"
_COMMAND_LINE = "org.apache.flink.client.cli.CliFrontend"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
# See QuietClassLoader.java.
_QUIETLY = (
    *("-cp", str(JARS.with_name("quiet.jar"))),
    "-Djava.system.class.loader=QuietClassLoader",
    f"-Dflink.jars={JARS}",
)

# Packages of Java 17 that Flink 1.16 needs; later versions configure them themselves.
_EXPORTS = (
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
)
_OPENS = (
    *("lang", "net", "io", "nio", "lang.reflect", "text", "time", "util"),
    *("util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
_JAVA = (
    "java",
    # The processes are short-lived; full compilation would take half of their time.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS),
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _OPENS),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


class Cluster:
    """The processes of a Flink cluster with Beam's job server on this machine.

    Attributes:
        endpoint: Address of the job server, for ``beam.endpoint``.
        workers: Address of the worker pools, for ``beam.workers``.
    """

    def __init__(self, folder: Path, task_managers: int = 2, beam: bool = True):
        """Configures the cluster; entering the context starts it.

        Args:
            folder: An empty folder for configurations and logs.
            task_managers: Number of TaskManagers of one slot each. With 0, Flink runs
                within the job server, and workers are threads of its client.
            beam: Whether Beam's worker pools and job server are started; without them,
                ``run_command`` submits Flink's own jobs.
        """
        self._folder = folder
        self._num_task_managers = task_managers
        self._has_beam = beam
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        rpc, self._rest, job, artifacts, expansion = _free_ports(5)
        self.endpoint = f"localhost:{job}"
        self.workers = f"{POOL_HOST}:{POOL_PORT}" if task_managers else "loopback"
        self._server_ports = {
            "job-port": job,
            "artifact-port": artifacts,
            "expansion-port": expansion,
        }
        self._configuration = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": rpc,
            "jobmanager.memory.process.size": "1g",
            "rest.address": "localhost",
            "rest.bind-address": "localhost",
            "rest.port": self._rest,
            "taskmanager.host": "localhost",
            "taskmanager.bind-host": "localhost",
            "taskmanager.numberOfTaskSlots": 1,
            "taskmanager.memory.process.size": "3g",
            # All of Beam's batch stages exist at once, each with its own buffers.
            "taskmanager.memory.network.min": "768m",
            "taskmanager.memory.network.max": "768m",
            # Keeps Beam's classes from job to job, and workers from stage to stage.
            "classloader.resolve-order": "parent-first",
            # Beam deliberately keeps loaded classes after the end of a job.
            "classloader.check-leaked-classloader": False,
            # The loss of a TaskManager is noticed soon, and restarts the whole job:
            # with regions, each of its tasks would count as a failure.
            "jobmanager.execution.failover-strategy": "full",
            "restart-strategy": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 2,
            "restart-strategy.fixed-delay.delay": "1 s",
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 10000,
        }

    def __enter__(self) -> "Cluster":
        if not any(JARS.glob("beam-runners-flink-*.jar")):
            raise FileNotFoundError(f"no Flink in {JARS}; run `make flink` first")
        if shutil.which("java") is None:
            raise FileNotFoundError("no java on the path; install Java 17")
        folder = self._folder / _CONFIGURATION
        folder.mkdir()
        lines = (f"{key}: {value}\n" for key, value in self._configuration.items())
        (folder / "flink-conf.yaml").write_text("".join(lines))
        try:
            if self._num_task_managers:
                self._start("job-manager", self._java("1g", _JOB_MANAGER))
            for number in range(self._num_task_managers):
                if self._has_beam:
                    self._start_worker_pool(number)
                self.start_task_manager(number)
            if self._has_beam:
                self._start_job_server()
            self._wait_until(self._is_ready, "TaskManagers, worker pools, job server")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def task_managers(self) -> int:
        """Number of TaskManagers registered at the JobManager."""
        try:
            return len(self._ask("taskmanagers")["taskmanagers"])
        except (urllib.error.URLError, ConnectionError):
            return 0

    def jobs(self) -> list[dict[str, Any]]:
        """Returns Flink's descriptions of all jobs, the oldest first."""
        jobs = self._ask("jobs/overview")["jobs"]
        return sorted(jobs, key=lambda job: job["start-time"])

    def was_restarted(self, job: str) -> bool:
        """Returns whether Flink had to restart the job with this id."""
        return bool(self._ask(f"jobs/{job}")["timestamps"]["RESTARTING"])

    def run_command(self, *arguments: str) -> str:
        """Runs Flink's command line, such as ``run --detached JOB.jar``.

        Returns:
            What it printed.

        Raises:
            subprocess.CalledProcessError: If it failed; the message is in its output.
        """
        command = [*_JAVA, "-cp", f"{JARS}/*", _COMMAND_LINE, *arguments]
        # Not merged: it prints results on the one, and warnings on the other.
        finished = subprocess.run(
            command,
            env={**os.environ, "FLINK_CONF_DIR": str(self._folder / _CONFIGURATION)},
            capture_output=True,
            check=True,
            text=True,
        )
        return finished.stdout

    def kill_task_manager(self, number: int) -> None:
        """Kills a TaskManager with SIGKILL, like the loss of its machine."""
        process = self._processes.pop(f"task-manager-{number}")
        process.kill()
        process.wait()

    def start_task_manager(self, number: int) -> None:
        """Starts a TaskManager beside the worker pool of the same number."""
        name = f"task-manager-{number}"
        hosts = self._folder / f"{name}.hosts"
        hosts.write_text(
            f"127.0.0.1 localhost {socket.gethostname()}\n"
            f"{_pool_address(number)} {POOL_HOST}\n"
        )
        command = self._java("1g", _TASK_MANAGER)
        # Beam has network buffers beside Flink's own, as large as the data that waits
        # for a worker.
        command[1:1] = ["-XX:MaxDirectMemorySize=3g", f"-Djdk.net.hosts.file={hosts}"]
        self._start(name, [*command, *self._memory_figures()])

    def _start_job_server(self) -> None:
        address = f"localhost:{self._rest}" if self._num_task_managers else "[local]"
        master = f"--flink-master={address}"
        ports = [f"--{name}={port}" for name, port in self._server_ports.items()]
        staging = f"--artifacts-dir={self._folder / 'staging'}"
        self._start(
            "job-server",
            [*_JAVA, "-Xmx3g", *_QUIETLY, _JOB_SERVER, master, *ports, staging],
        )

    def _start_worker_pool(self, number: int) -> None:
        address = f"{_pool_address(number)}:{POOL_PORT}"
        self._start(
            f"worker-pool-{number}",
            [sys.executable, "-m", "pipeline.beam.worker_pool", address],
        )

    def _is_ready(self) -> bool:
        ports = []
        if self._has_beam:
            ports = [
                ("localhost", self._server_ports["job-port"]),
                *(
                    (_pool_address(number), POOL_PORT)
                    for number in range(self._num_task_managers)
                ),
            ]
        return all(map(_is_open, ports)) and (
            not self._num_task_managers or self.task_managers == self._num_task_managers
        )

    def _wait_until(self, is_true: Any, what: str) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while not is_true():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(
                        f"{name} ended with status {process.returncode}:\n"
                        f"{self._log(name).read_text()[-2000:]}"
                    )
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{what} did not start within {SECONDS_TO_START} s; "
                    f"the logs are in {self._folder}"
                )
            time.sleep(0.2)

    def _java(self, memory: str, main: str, *arguments: str) -> list[str]:
        """Returns the command of one of Flink's own programs."""
        heap = f"-Xmx{memory}"
        class_path = f"{JARS}/*"
        options = ["--configDir", str(self._folder / _CONFIGURATION)]
        return [*_JAVA, heap, "-cp", class_path, main, *arguments, *options]

    def _memory_figures(self) -> list[str]:
        """Returns the memory options, without which a TaskManager does not start."""
        command = self._java("256m", _MEMORY_FIGURES, "GET_TM_RESOURCE_PARAMS")
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        marks = "BASH_JAVA_UTILS_EXEC_RESULT:"
        found = [
            line.partition(marks)[2]
            for line in (output.stdout + output.stderr).splitlines()
            if marks in line
        ]
        return found[-1].split()

    def _start(self, name: str, command: list[str]) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The worker pools import the code of this checkout.
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _ask(self, path: str) -> Any:
        url = f"http://localhost:{self._rest}/{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)


def _pool_address(number: int) -> str:
    """Returns a loopback address per pool, as each pod has its own."""
    return f"127.0.0.{number + 1}"


def _is_open(address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
