"""Traces of a run and of requests, as OpenTelemetry's own collector writes them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.otel_collector import collector
from tests.support.server import serving, until

pytestmark = [pytest.mark.otel, pytest.mark.timeout(1200)]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/v1/recommend/{user:path}"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Returns the folder of the run and of the server."""
    return tmp_path_factory.mktemp("runs") / "out"


@pytest.fixture(scope="module")
def spans(out, tmp_path_factory):
    """Returns the spans of a run and of a server's requests, after both have ended."""
    with collector(tmp_path_factory.mktemp("collector")) as started:
        env = os.environ | started.environment
        command = [sys.executable, "-m", "pipeline", "run", "--models", "mf_als"]
        ended = subprocess.run(
            [*command, "--jobs", "1", "--out", str(out)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        with serving(out, env=env) as client:
            until(client, "/v1/recommend/1")
            header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            assert client.get("/v1/recommend/bob", headers=header).status_code == 200
            with ThreadPoolExecutor(8) as pool:
                paths = [f"/v1/recommend/new{i % 9}" for i in range(200)]
                answers = list(pool.map(client.get, paths))
            assert {answer.status_code for answer in answers} == {200}
    return started.spans()


def test_a_run_is_a_trace_of_its_steps(spans, out):
    [path] = out.glob("runs/*/run.json")
    record = json.loads(path.read_text())
    [run] = [span for span in spans if span["name"] == "run"]
    assert run["service"] == "marquee-run"
    assert run["attributes"]["marquee.run_id"] == record["run"]["id"]
    steps = [span for span in spans if span.get("parentSpanId") == run["spanId"]]
    assert {span["traceId"] for span in steps} == {run["traceId"]}
    assert {
        span["name"]: span["attributes"]["marquee.step.state"] for span in steps
    } == {step["name"]: step["state"] for step in record["steps"]}
    assert len(steps) > 5


def test_every_request_is_a_trace_with_a_call_of_the_model(spans):
    requests = [span for span in spans if span["name"] == f"GET {ROUTE}"]
    assert {span["service"] for span in requests} == {"marquee-serve"}
    made = [
        span
        for span in requests
        if span["attributes"]["http.response.status_code"] == 200
    ]
    assert len(made) == 202
    for name in ("wait for the model", "call of the model"):
        below = [span["parentSpanId"] for span in spans if span["name"] == name]
        assert sorted(below) == sorted(span["spanId"] for span in made)
    [of_client] = [span for span in requests if span["traceId"] == TRACE]
    assert of_client["parentSpanId"] == PARENT
    assert of_client["kind"] == 2  # SERVER


def test_no_user_is_in_what_it_writes(spans):
    assert not any(f'"{user}"' in json.dumps(spans) for user in ("bob", "new1"))
    assert "/recommend/bob" not in json.dumps(spans)
