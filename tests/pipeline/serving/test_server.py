"""A real server on loopback, queried as by its clients."""

import base64
import json
import math
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2

from components.live_models import push, rollback
from tests.support.server import serving, until

MODEL = "/v1/models/recommender"
DOCS = Path(__file__).parents[3] / "docs" / "serving.md"


def predict(client, body, path=f"{MODEL}:predict"):
    answer = client.post(path, content=json.dumps(body))
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def example(*candidates):
    told = tf.train.Example()
    values = told.features.feature["candidate_item_id"].bytes_list.value
    values.extend(c.encode() for c in candidates)
    return {"b64": base64.b64encode(told.SerializeToString()).decode()}


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


def test_a_known_user_gets_what_is_not_rated_in_any_split(client):
    answer = client.get("/v1/recommend/ann?k=3").json()
    # 30, 29 and 27 are rated; 29 is disliked, and left out all the same.
    assert ids(answer) == ["28", "26", "25"]
    assert answer["items"][0] == {
        **{"item_id": "28", "title": "Film 28 (1928)", "score": 1028.0}
    }
    assert (answer["known"], answer["made_of"], answer["rated"]) == (True, "history", 3)


def test_a_user_id_may_have_a_slash_and_an_accent(client):
    answer = client.get("/v1/recommend/bob%2F%C3%A9?k=3").json()
    assert answer["user"] == "bob/é"
    assert ids(answer) == ["30", "29", "27"]


def test_of_an_unknown_user_it_says_what_the_list_is_made_of(client):
    popular = client.get("/v1/recommend/nobody?k=2").json()
    assert (popular["known"], popular["made_of"]) == (False, "popularity")
    assert ids(popular) == ["30", "29"]
    liked = client.get("/v1/recommend/nobody?k=2&like=film+30+(1930)&like=29").json()
    assert (liked["known"], liked["made_of"]) == (False, "likes")
    assert ids(liked) == ["28", "27"]


@pytest.mark.parametrize("query", ["k=0", "k=1001", "k=x", "k=²", "like=no+such+film"])
def test_a_bad_question_for_a_list_is_refused_in_words(client, query):
    answer = client.get(f"/v1/recommend/ann?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_rows_and_columns_have_the_same_scores(client):
    rows = [example("3", "4"), example("5")]
    wanted = [[3.0, 4.0], [5.0, -math.inf]]
    assert predict(client, {"instances": rows}) == (200, {"predictions": wanted})
    assert predict(client, {"inputs": rows}) == (200, {"outputs": wanted})
    named = [{"examples": row} for row in rows]
    assert predict(client, {"instances": named}) == (200, {"predictions": wanted})
    named = {"inputs": {"examples": rows}, "signature_name": "serving_default"}
    assert predict(client, named, f"{MODEL}/versions/1:predict")[1] == {
        "outputs": wanted
    }


def test_several_outputs_are_named_and_bytes_are_base64(client):
    asked = {"signature_name": "evaluate", "instances": [{"b64": "/w=="}, "é"]}
    status, told = predict(client, asked)
    assert status == 200
    assert told == {
        "predictions": [
            {"length": 1, "raw_bytes": {"b64": "/w=="}},
            {
                "length": 2,
                "raw_bytes": {"b64": base64.b64encode("é".encode()).decode()},
            },
        ]
    }


def test_recommend_has_a_scalar_and_so_columns_alone(client):
    row = {"user_id": "x", "history_item_id": ["30"], "k": 2}
    row |= {"history_rating": [5], "user_features": []}
    asked = {"signature_name": "recommend", "instances": [row]}
    status, told = predict(client, asked)
    assert status == 400
    assert "scalar" in told["error"]
    columns = {name: [value] for name, value in row.items()} | {"k": 2}
    status, told = predict(client, {"signature_name": "recommend", "inputs": columns})
    assert status == 200
    assert told["outputs"]["item_id"] == [["29", "28"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error"),
        (b"\xff{}", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"[]", "object"),
        (b'{"instances": ' + b"[" * 960 + b"]" * 960 + b"}", ""),
        (b'{"instances": [' + b'{"examples":' * 960 + b"1" + b"}" * 960 + b"]}", ""),
        (
            b'{"inputs": {"examples": ['
            + b'{"b64":' * 960
            + b"1"
            + b"}" * 960
            + b"]}}",
            "",
        ),
        (b'{"instances": ["x"], "instances": ["y"]}', "'instances' is given twice"),
        (b'{"instances": [{"examples": "x", "examples": "y"}]}', "given twice"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error"),
        (b'{"instances": [1e999]}', "Infinity is not a string"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        (b'{"inputs": [], "instances": []}', "only one of"),
        (b'{"instances": []}', "No values"),
        (b'{"instances": [1]}', "1 is not a string"),
        (b'{"instances": [["x"]]}', "expected shape"),
        (b'{"instances": ["x", ["y"]]}', "unexpected level"),
        (b'{"instances": [{"b64": "%"}]}', "base64"),
        (b'{"instances": [{"other": "x"}]}', "keys must be equal to: examples"),
        (b'{"inputs": {"other": "x"}}', "Missing named input: examples"),
        (b'{"instances": ["x"], "signature_name": 1}', "must be a string"),
        (b'{"instances": ["x"], "signature_name": "no"}', "not found in signature def"),
        (b'{"instances": ["not an Example"]}', "parse"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_400(client, body, said):
    answer = client.post(f"{MODEL}:predict", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert said in answer.json()["error"]


def test_status_and_metadata_are_those_of_tensorflow_serving(client):
    message = get_model_status_pb2.GetModelStatusResponse()
    json_format.Parse(client.get(MODEL).text, message)
    [told] = message.model_version_status
    assert (told.version, told.state) == (1, told.AVAILABLE)
    assert client.get(f"{MODEL}/versions/1").json() == client.get(MODEL).json()
    told = client.get(f"{MODEL}/metadata").json()
    assert told["model_spec"] == {
        **{"name": "recommender", "signature_name": "", "version": "1"}
    }
    recommend = told["metadata"]["signature_def"]["signature_def"]["recommend"]
    assert recommend["inputs"]["k"]["dtype"] == "DT_INT32"
    assert recommend["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    "path", [f"{MODEL}/versions/7", f"{MODEL}/versions/7/metadata", "/v1/models/other"]
)
def test_what_is_not_there_is_404(client, path):
    answer = client.get(path)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_answers_in_a_batch_are_those_of_each_alone(client):
    def scores(n):
        rows = [example(*map(str, range(1, 2 + (n + row) % 5))) for row in range(2)]
        bad = n % 7 == 3
        asked = {"instances": ["no Example"] if bad else rows}
        status, told = predict(client, asked)
        return bad, status, told

    before = batches(client)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(scores, range(64)))
    for n, (bad, status, told) in enumerate(answers):
        assert status == (400 if bad else 200)
        if bad:
            continue
        lengths = [1 + (n + row) % 5 for row in range(2)]
        assert told["predictions"] == [
            [float(i + 1) if i < length else -math.inf for i in range(max(lengths))]
            for length in lengths
        ]
    assert batches(client) - before < 64  # some were joined


def batches(client):
    told = client.get("/metrics").text
    return float(re.search(r"^marquee_batch_rows_count (\S+)", told, re.M)[1])


def test_metrics_count_by_path_template_and_status(client):
    client.get("/v1/recommend/someone")
    told = client.get("/metrics").text
    counted = r'marquee_requests_total\{path="/v1/recommend/\{user:path\}",status="200"'
    assert re.search(counted, told)
    assert "someone" not in told
    assert "marquee_version_served 1.0" in told
    assert 'marquee_load_failures_total{what="version"} 0.0' in told
    assert "marquee_queue_length 0.0" in told


def test_the_api_is_described_as_it_answers(client):
    told = client.get("/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    schemas = told["components"]["schemas"]
    answer = client.get("/v1/recommend/ann?why=true").json()
    assert schemas["RecommendedList"]["properties"].keys() == answer.keys()
    assert schemas["Item"]["properties"].keys() == answer["items"][0].keys()
    answer = client.get("/v1/similar/30").json()
    assert schemas["SimilarList"]["properties"].keys() == answer.keys()
    for path, operations in told["paths"].items():
        if "get" in operations:
            asked = path.replace("{user}", "ann").replace("{version}", "1")
            asked = asked.replace("{item}", "30")
            assert client.get(asked).status_code == 200, path
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(told)):
        assert reference in schemas
    page = client.get("/docs")
    assert "/v1/recommend/{user}" in page.text
    assert not re.search(r"https?://|<script", page.text)


def test_the_examples_of_the_docs_are_answered(out, tmp_path):
    with serving(out, "--events", str(tmp_path)) as client:
        until(client, "/v1/recommend/ann")
        ask_as_in_the_docs(client)


def ask_as_in_the_docs(client):
    found = re.findall(r"^    (curl (?:.*\\\n)*.*)", DOCS.read_text(), re.M)
    assert len(found) >= 5
    for command in found:
        asked = command.replace("localhost:8501", client.base_url.netloc.decode())
        done = subprocess.run(
            ["bash", "-c", asked.replace("curl ", "curl -fsS ", 1)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr, done.stdout)


@pytest.mark.slow
def test_a_pushed_version_takes_over_and_a_broken_one_does_not(client, out, ruled):
    """The last test of this file: it changes the live version."""
    failed = []

    def ask(_):
        answer = client.get("/v1/recommend/ann?k=5")
        told = answer.json()
        if answer.status_code != 200 or len(told["items"]) != 5:
            failed.append(answer.text)
        # A list is of one version: name and scores of the same model.
        assert told["model"] == f"ruled-{int(told['items'][0]['score']) // 1000}"
        return told["version"]

    def until_served(number):
        end = time.monotonic() + 120
        seen = set()
        with ThreadPoolExecutor(4) as pool:
            while time.monotonic() < end and number not in seen:
                seen |= set(pool.map(ask, range(20)))
        assert number in seen

    push.push(ruled[2], out / "live", keep=9)
    until_served(2)
    assert client.get("/v1/recommend/ann").json()["model"] == "ruled-2"
    rollback.roll_back(out / "live", None)
    until_served(3)
    assert client.get("/v1/recommend/ann").json()["model"] == "ruled-1"
    broken = push.push(ruled[2], out / "live", keep=9)
    # Pushed, and then changed: the server may have it already, so once more broken.
    (broken.folder / "saved_model.pb").write_bytes(b"broken")
    states = client.get(MODEL).json()["model_version_status"]
    assert {state["version"] for state in states} >= {"1", "2", "3"}
    assert failed == []


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", f"/v1/models/recommender/versions/{'9' * 5000}", None, 404),
        ("GET", f"/v1/recommend/ann?k={'0' * 8}1{'9' * 30}", None, 400),
        (
            "POST",
            "/v1/models/recommender:predict",
            b'{"signature_name": "\\ud800", "instances": []}',
            400,
        ),
    ],
)
def test_what_tests_of_abuse_found_is_refused(client, method, path, content, status):
    answer = client.request(method, path, content=content)
    assert answer.status_code == status
    assert answer.json()["error"]
