"""Traces of requests to a real server."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import serving, until
from tests.support.trace_receiver import receiver

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/v1/recommend/{user:path}"


@pytest.fixture(scope="module")
def spans(out, tmp_path_factory):
    """Returns the spans of a server's requests, after it has ended."""
    with receiver(tmp_path_factory.mktemp("collector")) as collector:
        env = os.environ | collector.environment
        with serving(out, env=env) as client:
            until(client, "/v1/recommend/ann")
            header = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            assert client.get("/v1/recommend/bob/é", headers=header).status_code == 200
            with ThreadPoolExecutor(8) as pool:
                users = [f"/v1/recommend/new{i}" for i in range(8)]
                answers = list(pool.map(client.get, users))
            assert {answer.status_code for answer in answers} == {200}
            assert client.get("/nowhere").status_code == 404
            assert client.get("/metrics").status_code == 200
        return collector.spans()


def test_the_client_s_span_is_the_parent_with_a_receiver_of_our_own(
    spans,
):
    of_client = {span["name"]: span for span in spans if span["traceId"] == TRACE}
    request = of_client.pop(f"GET {ROUTE}")
    assert request["parentSpanId"] == PARENT
    assert request["kind"] == 2  # SERVER
    assert request["service"] == "marquee-serve"
    assert request["attributes"] == {
        "http.request.method": "GET",
        "http.route": ROUTE,
        "http.response.status_code": 200,
    }
    wait, call = of_client.pop("wait for the model"), of_client.pop("call of the model")
    assert not of_client
    assert {wait["parentSpanId"], call["parentSpanId"]} == {request["spanId"]}
    assert call["attributes"] == {
        "marquee.signature": "recommend",
        "marquee.version": 1,
        "marquee.rows": 1,
    }
    moments = [
        *(request["startTimeUnixNano"], wait["startTimeUnixNano"]),
        *(wait["endTimeUnixNano"], call["startTimeUnixNano"]),
        *(call["endTimeUnixNano"], request["endTimeUnixNano"]),
    ]
    assert moments == sorted(moments)
    assert wait["endTimeUnixNano"] == call["startTimeUnixNano"]


def test_every_request_has_a_trace_and_a_call_of_its_own_with_a_receiver_of_our_own(
    spans,
):
    requests = [span for span in spans if span["name"] == f"GET {ROUTE}"]
    assert len(requests) >= 10
    ids = [span["traceId"] for span in requests]
    assert len(set(ids)) == len(ids)
    answered = {
        span["spanId"]
        for span in requests
        if span["attributes"]["http.response.status_code"] == 200
    }
    calls = [span for span in spans if span["name"] == "call of the model"]
    assert sorted(span["parentSpanId"] for span in calls) == sorted(answered)


def test_no_path_or_user_is_in_a_span(spans):
    names = {span["name"] for span in spans}
    assert names == {
        *(f"GET {ROUTE}", "GET other", "wait for the model", "call of the model"),
    }
    assert not any(user in str(spans) for user in ("ann", "bob", "new1", "nowhere"))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "off, []\n"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "off, []\n"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "off, []\n",
        ),
    ],
)
def test_without_a_collector_nothing_of_opentelemetry_is_imported(variables, expected):
    code = """
import sys
import pipeline.cli, pipeline.serving.server, pipeline.runs.step_traces
from pipeline import tracing
with tracing.begun("x") as tracer:
    state = "on" if tracer else "off"
print(f"{state}, {[name for name in sys.modules if name.startswith('opentelemetry')]}")
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected
    assert ("the protocol grpc is not supported" in done.stderr) == bool(
        variables.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    )
