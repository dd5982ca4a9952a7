"""The cluster that KUBECONFIG names, with Kubeflow Pipelines and our manifests.

The tests work with any such cluster: they use only kubectl, and the kfp client over a
forwarded port.
"""

import contextlib
import datetime
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

ROOT = Path(__file__).parents[2]
NAMESPACE = "kubeflow"
# Version of the cluster that these tests are written for: the oldest one supported.
BACKEND = "2.0.5"
IMAGE = os.environ.get("MARQUEE_IMAGE", "docker.io/library/marquee:cpu")
VOLUME_POD = f"marquee-volume-{os.getpid()}"
VOLUME_FOLDER = (
    "/tmp/marquee-volume"  # on the node of a cluster that creates no volumes
)


class Cluster:
    """Runs kubectl in the namespace of the runs."""

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Returns the output of ``kubectl WORDS``; raises its error."""
        done = self.tried(*words, stdin=stdin)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr}")
        return done.stdout

    def tried(
        self, *words: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Returns the finished ``kubectl WORDS``, even if it failed."""
        return subprocess.run(
            ["kubectl", "--namespace", NAMESPACE, *words],
            input=stdin,
            capture_output=True,
            text=True,
        )

    def get(self, *words: str) -> Any:
        """Returns the parsed output of ``kubectl get WORDS``."""
        return json.loads(self("get", *words, "--output", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        self("apply", "--filename", "-", stdin=yaml.safe_dump_all(objects))

    @staticmethod
    def until(holds: Callable[[], Any], seconds: float, otherwise: str) -> Any:
        """Waits for something to hold, and returns it."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > end:
                raise AssertionError(f"{otherwise}, in {seconds:.0f} s")
            time.sleep(2)  # kubectl itself takes some of the cores
        return found

    @contextlib.contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[int]:
        """Yields a local port that is forwarded to a service."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            here = free.getsockname()[1]
        words = ["port-forward", f"service/{service}", f"{here}:{port}"]
        forward = subprocess.Popen(
            ["kubectl", "--namespace", NAMESPACE, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            Cluster.until(lambda: _answers(here), 30, f"{service} does not answer")
            yield here
        finally:
            forward.terminate()
            forward.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A reachable cluster with Kubeflow Pipelines."""
    if "KUBECONFIG" not in os.environ:
        pytest.fail(
            "KUBECONFIG is not set; docs/kubeflow/cluster.md describes clusters"
        )
    kubectl = Cluster()
    kubectl("get", "service", "ml-pipeline")
    return kubectl


@pytest.fixture(scope="session")
def applied(cluster: Cluster) -> Cluster:
    """The cluster with our manifests, and a volume if it creates none itself."""
    cluster("apply", "--kustomize", str(ROOT / "kubeflow" / "manifests"))
    account = {
        "user": "root",
        "password": "",
    }  # the account of Kubeflow Pipelines' own MySQL
    cluster.apply(secret("marquee-metadata", account))
    if not cluster.get("storageclass")["items"]:
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": "marquee"},
                "spec": {
                    "capacity": {"storage": "50Gi"},
                    "accessModes": ["ReadWriteMany"],
                    "claimRef": {"namespace": NAMESPACE, "name": "marquee"},
                    "hostPath": {"path": VOLUME_FOLDER, "type": "DirectoryOrCreate"},
                },
            }
        )
    return cluster


@pytest.fixture(scope="session")
def in_pod(applied: Cluster) -> Iterator[Callable[..., str]]:
    """Runs a command in a pod like those of the steps, and returns its output."""
    names: list[str] = []

    def run(*command: str, seconds: float = 300) -> str:
        names.append(f"marquee-test-{time.monotonic_ns()}")
        applied.apply(step_pod(names[-1], list(command)))
        status = Cluster.until(
            lambda: _ended(applied.get("pod", names[-1])),
            seconds,
            "the pod did not end",
        )
        printed = applied("logs", names[-1])
        assert status == "Succeeded", printed
        return printed

    yield run
    for name in names:
        applied("delete", "pod", name, "--wait=false")


def secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": values,
    }


def served(name: str, command: list[str], port: int) -> list[dict[str, Any]]:
    """Returns a pod of the steps' image that listens on a port, and its Service."""
    pod = step_pod(name, command)
    pod["metadata"]["labels"] = {"app": name}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port}]},
    }
    return [pod, service]


def _ended(pod: dict[str, Any]) -> str | None:
    phase = pod["status"]["phase"]
    return phase if phase in ("Succeeded", "Failed") else None


def step_pod(name: str, command: list[str], **container: Any) -> dict[str, Any]:
    """Returns a pod with the steps' image, user and volumes."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "serviceAccountName": "marquee",
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "readOnlyRootFilesystem": True,
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "marquee", "mountPath": "/marquee"},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                    **container,
                }
            ],
            "volumes": [
                {"name": "marquee", "persistentVolumeClaim": {"claimName": "marquee"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


@pytest.fixture(scope="session")
def kubeflow(applied: Cluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of our commands with the API of Kubeflow Pipelines."""

    def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
        with applied.forwarded("ml-pipeline", 8888) as port:
            return subprocess.run(
                [sys.executable, f"kubeflow/{script}.py", *words],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "KF_PIPELINES_ENDPOINT": f"http://127.0.0.1:{port}",
                },
                capture_output=True,
                text=True,
            )

    return run


class Run:
    """A run and its Argo workflow.

    Attributes:
        id: Name of the run in the metadata store.
    """

    def __init__(self, cluster: Cluster, run_id: str, selector: str):
        self._cluster = cluster
        self.id = run_id
        self._selector = selector

    @property
    def workflow(self) -> dict[str, Any]:
        found = self._cluster.get("workflows", "--selector", self._selector)
        [workflow] = found["items"] or [{"metadata": {"name": ""}, "status": {}}]
        return workflow

    @property
    def name(self) -> str:
        return str(self.workflow["metadata"]["name"])

    def phases(self) -> dict[str, str]:
        """Returns the phase of each step, or of its pod for a Kubeflow task."""
        nodes = self.workflow["status"].get("nodes", {}).values()
        return {
            node["displayName"]: node["phase"]
            for node in nodes
            if node["type"] in ("DAG", "Retry", "Skipped")
        }

    def attempts(self, step: str) -> list[dict[str, Any]]:
        """Returns Argo's nodes of a step's pods, the first one first."""
        nodes = self.workflow["status"].get("nodes", {}).values()
        return sorted(
            (n for n in nodes if n["type"] == "Pod" and _is_of(step, n["name"])),
            key=lambda node: node["startedAt"],
        )

    def pods(self, step: str) -> list[dict[str, Any]]:
        """Returns Kubernetes' objects of a step's pods, the first one first."""
        words = ("pods", "--selector", f"workflows.argoproj.io/workflow={self.name}")
        named = "workflows.argoproj.io/node-name"
        return sorted(
            (
                pod
                for pod in self._cluster.get(*words)["items"]
                if _is_of(step, pod["metadata"]["annotations"].get(named, ""))
            ),
            key=lambda pod: pod["metadata"]["creationTimestamp"],
        )

    def pod_at_work(self, step: str, seconds: float = 900) -> str:
        """Waits until a step's process has run for a while; returns its pod's name.

        Argo recreates a deleted pod younger than 10 seconds without counting it.
        """

        def found() -> str:
            for pod in self.pods(step):
                state = pod["status"].get("containerStatuses", [{}])[0].get("state", {})
                if started := state.get("running", {}).get("startedAt"):
                    began = datetime.datetime.fromisoformat(started)
                    now = datetime.datetime.now(datetime.UTC)
                    if (now - began).total_seconds() > 12:
                        return str(pod["metadata"]["name"])
            return ""

        return Cluster.until(found, seconds, f"{step} of {self.name} does not run")

    def ended(self, seconds: float = 2400) -> str:
        """Waits for the end; returns the phase of the workflow."""

        def phase() -> str | None:
            now = self.workflow["status"].get("phase")
            return now if now in ("Succeeded", "Failed", "Error") else None

        return Cluster.until(phase, seconds, f"the run {self.name} did not end")

    def log(self, step: str) -> str:
        """Returns the output of a step's last attempt."""
        name = self.pods(step)[-1]["metadata"]["name"]
        return self._cluster("logs", name, "--container", "main")


def _is_of(step: str, node: str) -> bool:
    """Returns whether an Argo node of this name is an attempt of a step."""
    return bool(re.search(rf"\.{step}(\.executor)?(\(\d+\))?$", node))


@pytest.fixture(scope="session")
def run_of(applied: Cluster) -> Callable[[str], Run]:
    """Returns the run with an id of Kubeflow Pipelines."""
    return lambda run_id: Run(applied, run_id, f"pipeline/runid={run_id}")


@pytest.fixture(scope="session")
def folder(applied: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder on the volume for this session, which the steps' user can write to."""
    from pipeline import datasets

    movielens = datasets.resolve("ml-100k", lambda *_: None).folder
    name = f"/marquee/test-{int(time.time())}"
    keeper = step_pod(VOLUME_POD, ["sleep", "infinity"])
    keeper["spec"]["containers"][0]["securityContext"] = {"runAsUser": 0}
    applied.apply(keeper)
    applied("wait", f"pod/{VOLUME_POD}", "--for=condition=Ready", "--timeout=300s")
    applied("exec", VOLUME_POD, "--", "mkdir", "-p", name)
    _to_volume(applied, movielens, f"{name}/ratings")
    yield name
    applied("exec", VOLUME_POD, "--", "rm", "-r", name)
    applied("delete", "pod", VOLUME_POD, "--wait=false")


@pytest.fixture(scope="session")
def on_volume(applied: Cluster, folder: str) -> Callable[..., str]:
    """Runs a command where the volume is mounted."""
    return lambda *words: applied("exec", VOLUME_POD, "--", *words)


@pytest.fixture(scope="session")
def copy(applied: Cluster) -> Callable[[Path, str], None]:
    """Copies a folder to the volume."""
    return lambda source, target: _to_volume(applied, source, target)


def _to_volume(cluster: Cluster, source: Path, target: str) -> None:
    """Copies a folder to the volume, owned by the steps' user."""
    parent = str(Path(target).parent)
    cluster("exec", VOLUME_POD, "--", "mkdir", "-p", parent)
    cluster("cp", str(source), f"{VOLUME_POD}:{target}")
    owned = ["chown", "-R", "10001:10001", parent]
    cluster("exec", VOLUME_POD, "--", *owned)


@pytest.fixture(scope="session")
def compiled(
    folder: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Compiles with ``kubeflow/runner.py`` for the tests' cluster, with changes."""
    made = tmp_path_factory.mktemp("compiled")

    def compile_(
        name: str,
        *flags: str,
        target: str = "kfp",
        database: str = "",
        steps: Any = None,
        **changes: Any,
    ) -> Path:
        cluster = yaml.safe_load(Path(__file__).with_name(f"{target}.yaml").read_text())
        cluster["steps"] |= steps or {}
        # A new store numbers executions, and so the folders of artifacts, from 1 again.
        cluster |= {
            "root": f"{cluster['root']}/{Path(folder).name}/{database}",
            "metadata": {"host": "mysql", "database": store_of(folder, database)},
            "live_folder": f"{folder}/live{database}",
        }
        settings = made / f"{name}-cluster.yaml"
        settings.write_text(yaml.safe_dump(cluster | changes))
        path = made / f"{name}.yaml"
        words = ["--image", IMAGE, "--target", target, *flags]
        if "--data" not in flags:
            words += ["--data", f"{folder}/ratings"]
        if target == "kfp":
            words += ["--backend-version", BACKEND]
        words += ["--cluster", str(settings), "--output", str(path)]
        runner = [sys.executable, "kubeflow/runner.py", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            runner, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return path

    return compile_


def store_of(folder: str, database: str) -> str:
    """Returns the name of the metadata store of a folder's runs."""
    return f"marquee_{Path(folder).name.replace('-', '_')}{database}"


RECEIVER = """
import http.server
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        "Keeps requests out of the pod's log."
http.server.HTTPServer(("", 8080), Receiver).serve_forever()
"""


@pytest.fixture(scope="session")
def webhook_messages(applied: Cluster) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Returns the messages that the webhook received from all runs."""
    name = "marquee-receiver"
    applied("delete", f"pod/{name}", "--ignore-not-found")
    applied.apply(
        *served(name, ["python", "-c", RECEIVER], 8080),
        secret("marquee-webhook", {"url": f"http://{name}:8080/"}),
    )
    applied("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    yield lambda: [json.loads(line) for line in applied("logs", name).splitlines()]
    # A session at the same time uses the same receiver.
    gone = ("--wait=false", "--ignore-not-found")
    applied("delete", f"pod/{name}", f"service/{name}", *gone)


@pytest.fixture(scope="session")
def submit(
    kubeflow: Callable[..., Any], run_of: Callable[[str], Run], webhook_messages: Any
) -> Callable[[Path], Run]:
    """Runs a compiled pipeline on Kubeflow Pipelines."""

    def run(path: Path) -> Run:
        done = kubeflow("submit", str(path), "--no-wait")
        assert done.returncode == 0, done.stderr
        started = run_of(done.stdout.split()[-1])
        Cluster.until(lambda: started.name, 60, "Kubeflow makes no workflow of the run")
        return started

    return run


@pytest.fixture(scope="session")
def create(applied: Cluster, webhook_messages: Any) -> Callable[[Path], Run]:
    """Runs a compiled workflow on Argo alone."""

    def run(path: Path) -> Run:
        done = applied("create", "--filename", str(path), "--output", "name")
        name = done.strip().rpartition("/")[2]
        label = f"marquee-test={name}"
        applied("label", "workflow", name, label)
        return Run(applied, name, label)

    return run


# Runs in a pod, because the metadata store has no address outside of the cluster.
EXECUTIONS = """
import json, sys
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
config = pb.ConnectionConfig()
mysql = config.mysql
mysql.host, mysql.port, mysql.user, mysql.password = "mysql", 3306, "root", ""
mysql.database = sys.argv[1]
store = metadata_store.MetadataStore(config)
found = []
runs = {c.name: c.id for c in store.get_contexts_by_type("pipeline_run")}
for execution in store.get_executions_by_context(runs[sys.argv[2]]):
    contexts = store.get_contexts_by_execution(execution.id)
    [node] = [c.name for c in contexts if c.type == "node"]
    events = store.get_events_by_execution_ids([execution.id])
    of = {"in": [], "out": []}
    for event in events:
        way = "in" if event.type in (pb.Event.INPUT, pb.Event.INTERNAL_INPUT) else "out"
        of[way].append(event.artifact_id)
    uris = [a.uri for a in store.get_artifacts_by_id(of["out"])]
    state = pb.Execution.State.Name(execution.last_known_state)
    found.append({"step": node.split(".", 1)[1], "state": state, "uris": uris, **of})
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def executions(in_pod: Any, folder: str) -> Callable[..., list[dict[str, Any]]]:
    """Returns a run's executions in the metadata store, in the order of their ids."""

    def query(run: Run, database: str = "") -> list[dict[str, Any]]:
        words = ("python", "-c", EXECUTIONS, store_of(folder, database), run.id)
        return json.loads(in_pod(*words).splitlines()[-1])

    return query


@pytest.fixture(scope="session")
def answer(applied: Cluster, folder: str) -> Iterator[Callable[[Any], Any]]:
    """Queries the live model over HTTP, in a pod that serves what the runs pushed."""
    command = ["python", "-m", "pipeline", "serve", "--out", folder]
    applied("delete", "pod/marquee-answer", "--ignore-not-found")
    applied.apply(*served("marquee-answer", [*command, "--host", "0.0.0.0"], 8501))
    applied("wait", "pod/marquee-answer", "--for=condition=Ready", "--timeout=60s")

    with applied.forwarded("marquee-answer", 8501) as port:
        server = f"http://127.0.0.1:{port}"

        def ask(body: Any) -> Any:
            url = f"{server}/v1/models/recommender:predict"
            asked = requests.post(url, json=body, timeout=60)
            asked.raise_for_status()
            return asked.json()

        def is_loaded() -> bool:
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"{server}/healthz", timeout=5).ok
            return False

        applied.until(is_loaded, 180, "the server loads no model")
        yield ask
    applied("delete", "pod/marquee-answer", "service/marquee-answer", "--wait=false")
