"""A fake of Kubeflow Pipelines' v2beta1 API and of parts of Kubernetes' API.

It stores created objects, and its answers have the structure of those of 2.0.5.
"""

import itertools
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click.testing
import pytest
import yaml

LISTS = {
    "experiments": "experiment_id",
    "pipelines": "pipeline_id",
    "recurringruns": "recurring_run_id",
    "versions": "pipeline_version_id",
}


class FakeKubeflow:
    """The state of the fake.

    Attributes:
        made: Kind → its objects in the order of their creation.
        changes: Method and path of each request that changes something.
        tag: Version that it reports.
        kubernetes: Kind and name → object in Kubernetes, or the status of a refusal.
        answers: Answers to GET of a run, one after the other; the last one is repeated.
        refusal: Start of a changing request's line → message that it fails with.
    """

    def __init__(self) -> None:
        self.made: dict[str, list[dict[str, Any]]] = {kind: [] for kind in LISTS}
        self.runs: list[dict[str, Any]] = []
        self.changes: list[str] = []
        self.tag = "2.0.5"
        self.kubernetes: dict[tuple[str, str], Any] = {}
        self.answers: list[Any] = [{"state": "SUCCEEDED"}]
        self.refusal: dict[str, str] = {}
        self.page = 2
        self._ids = itertools.count(1)

    def get(self, path: str, query: dict[str, str]) -> Any:
        if path.endswith("/healthz"):
            return {"tag_name": self.tag, "multi_user": False}
        if found := re.fullmatch(r"/api/v1/namespaces/ml/(\w+)/(.+)", path):
            kind, name = found.groups()
            return self.kubernetes.get((kind, name), 404)
        if "/runs/" in path:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kind = path.rpartition("/")[2]
        entries = self.made[kind]
        if "filter" in query:
            [wanted] = json.loads(query["filter"])["predicates"]
            entries = [e for e in entries if e["display_name"] == wanted["stringValue"]]
        start = int(query.get("page_token") or 0)
        field = {"recurringruns": "recurringRuns", "versions": "pipeline_versions"}
        page = {field.get(kind, kind): entries[start : start + self.page]}
        if start + self.page < len(entries):
            page["next_page_token"] = str(start + self.page)
        return page

    def post(self, path: str, query: dict[str, str], body: bytes) -> Any:
        if path.endswith(":enable") or path.endswith(":disable"):
            run, _, verb = path.rpartition("/")[2].partition(":")
            [found] = self._with_id("recurringruns", run)
            found["status"] = f"{verb}d".upper()
            return {}
        if path.endswith("/upload_version"):
            entry = {"display_name": query["name"], "pipeline_id": query["pipelineid"]}
            return self._add("versions", entry | {"file": body.decode()})
        values = json.loads(body)
        if path.endswith("/runs"):
            self.runs.append(values | {"run_id": f"run-{len(self.runs) + 1}"})
            return self.runs[-1]
        kind = path.rpartition("/")[2]
        if kind == "recurringruns":
            values["status"] = "ENABLED"
        return self._add(kind, values)

    def delete(self, path: str) -> Any:
        kind, identity = path.split("/")[-2:]
        self.made[kind].remove(self._with_id(kind, identity)[0])
        return {}

    def _add(self, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
        entry[LISTS[kind]] = f"{kind}-{next(self._ids)}"
        self.made[kind].append(entry)
        return entry

    def _with_id(self, kind: str, identity: str) -> list[dict[str, Any]]:
        return [e for e in self.made[kind] if e[LISTS[kind]] == identity]


def handler(fake: FakeKubeflow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            line = f"{self.command} {url.path.removeprefix('/apis/v2beta1')}"
            if self.command != "GET":
                fake.changes.append(line)
            refused = [m for start, m in fake.refusal.items() if line.startswith(start)]
            if refused:
                found: Any = {"error": refused[0], "code": 3}
                status = 400
            else:
                found = {
                    "GET": lambda: fake.get(url.path, query),
                    "POST": lambda: fake.post(url.path, query, body),
                    "DELETE": lambda: fake.delete(url.path),
                }[self.command]()
                status = found if isinstance(found, int) else 200
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Logs nothing: the requests are in ``changes``."""

    return Handler


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeKubeflow]:
    """The fake, at the addresses of Kubeflow and Kubernetes in the environment."""
    kubeflow = FakeKubeflow()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(kubeflow))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    config = tmp_path / "kubeconfig"
    config.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "fake", "cluster": {"server": url}}],
                "users": [{"name": "fake", "user": {"token": "of no worth"}}],
                "contexts": [
                    {"name": "fake", "context": {"cluster": "fake", "user": "fake"}}
                ],
                "current-context": "fake",
            }
        )
    )
    # The context file of kfp's client is in the home folder.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", url)
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config)
    )
    kubeflow.kubernetes = {
        ("secrets", "store"): {"data": {"user": "eA==", "password": "eA=="}},
        ("persistentvolumeclaims", "marquee"): {},
        ("serviceaccounts", "runner"): {},
    }
    yield kubeflow
    server.shutdown()
    server.server_close()


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., Path]:
    """Writes a compiled file of two tasks."""
    from kubeflow.submission import Submission

    def write(name: str = "nightly", image: str = "marquee:1", **values: Any) -> Path:
        tasks, components, executors = {}, {}, {}
        for task in ("trainer-gmf", "pusher"):
            tasks[task] = {"componentRef": {"name": f"comp-{task}"}}
            components[f"comp-{task}"] = {"executorLabel": f"exec-{task}"}
            executors[f"exec-{task}"] = {"container": {"image": image}}
        spec = {
            "pipelineInfo": {"name": "marquee"},
            "schemaVersion": "2.1.0",
            "root": {"dag": {"tasks": tasks}},
            "components": components,
            "deploymentSpec": {"executors": executors},
        }
        keys = [
            {"secretKey": "user", "envVar": "MYSQL_USER"},
            {"secretKey": "password", "envVar": "MYSQL_PASSWORD"},
        ]
        needs = {
            "secretAsEnv": [{"secretName": "store", "keyToEnv": keys}],
            "pvcMount": [{"constant": "marquee", "mountPath": "/marquee"}],
        }
        submission = Submission("runner", **values)
        platforms = {
            "kubernetes": {"deploymentSpec": {"executors": {"exec-pusher": needs}}},
            "marquee": submission.platform(),
        }
        path = tmp_path / f"{name}.yaml"
        documents = [spec, {"platforms": platforms}]
        path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
        return path

    return write


@pytest.fixture
def invoke(fake: FakeKubeflow) -> Callable[..., click.testing.Result]:
    """Runs a command in this process, with the fake as Kubeflow."""

    def run(command: click.Command, *words: Any) -> click.testing.Result:
        done = click.testing.CliRunner().invoke(command, [str(w) for w in words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run
