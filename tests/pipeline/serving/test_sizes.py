"""Requests of many rows or long ones: refused, or answered in several calls."""

import base64
import json
import math
import re

import pytest
import tensorflow as tf

MODEL = "/v1/models/recommender"
MAX_BATCH, MAX_ROWS, MAX_ITEMS = 32, 1024, 1 << 18


def example(candidates):
    told = tf.train.Example()
    values = told.features.feature["candidate_item_id"].bytes_list.value
    values.extend(c.encode() for c in candidates)
    return {"b64": base64.b64encode(told.SerializeToString()).decode()}


def columns(user_id, history_item_id, k):
    inputs = {
        "user_id": user_id,
        "history_item_id": history_item_id,
        "history_rating": [[4.0] * len(items) for items in history_item_id],
        "user_features": [[] for _ in user_id],
        "k": k,
    }
    return {"signature_name": "recommend", "inputs": inputs}


def predict(client, body):
    content = json.dumps(body, separators=(",", ":"))
    answer = client.post(f"{MODEL}:predict", content=content)
    return answer.status_code, answer.json()


def calls(client):
    """Returns the number of calls by the metrics: all, and those of up to 32 rows."""
    text = client.get("/metrics").text
    return tuple(
        float(re.search(rf"^marquee_batch_rows_{re.escape(name)} (\S+)", text, re.M)[1])
        for name in ("count", 'bucket{le="32.0"}')
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (columns([""] * 20_000, [[]] * 20_000, 10), "20000 rows"),
        (columns([""] * (MAX_ROWS + 1), [[]] * (MAX_ROWS + 1), 10), "1025 rows"),
        (columns([""] * 1000, [[]] * 1000, 1000), "too large"),  # its answer
        (columns([""], [["1"]], 2**31 - 1), "too large"),
        (columns([""] * 1000, [["1"] * 300] * 1000, 1), "too large"),
        ({"instances": [""] * 20_000}, "20000 rows"),
        ({"instances": [{"examples": ""}] * 20_000}, "20000 rows"),
        ({"inputs": [""] * 20_000}, "20000 rows"),
        ({"inputs": {"examples": [""] * 20_000}}, "20000 rows"),
        ({"signature_name": "evaluate", "instances": [""] * 20_000}, "20000 rows"),
        ({"signature_name": "evaluate", "instances": [""] * 33}, "33 rows"),
        ({"instances": [example("1" * 20_000)] + [example("1")] * 31}, "too large"),
        ({"instances": [example(["1"] * 300_000)]}, "too large"),
        # One that the model would refuse; it is not called.
        (columns([""] * 100, [[]] * 99, 10), "100 rows"),
    ],
)
def test_a_request_of_too_many_rows_or_items_is_413(client, body, said):
    status, told = predict(client, body)
    assert (status, list(told)) == (413, ["error"])
    assert said in told["error"]


def test_examples_that_are_too_large_are_refused_before_the_model(client):
    before = calls(client)
    body = {"instances": [example("1" * 20_000)] + [example("1")] * 31}
    assert predict(client, body)[0] == 413
    assert calls(client) == before


def test_many_rows_are_answered_in_calls_of_few(client):
    before = calls(client)
    items = [str(1 + row % 29) for row in range(MAX_ROWS)]
    users = [f"user {row}" for row in range(MAX_ROWS)]
    status, told = predict(client, columns(users, [["30", item] for item in items], 2))
    assert status == 200
    assert told["outputs"]["item_id"] == [
        {"29": ["28", "27"], "28": ["29", "27"]}.get(item, ["29", "28"])
        for item in items
    ]
    count, small = (now - then for now, then in zip(calls(client), before, strict=True))
    assert count == small == MAX_ROWS / MAX_BATCH


def test_a_long_row_does_not_lengthen_the_others(client):
    lengths = [1 + row % 3 for row in range(100)]
    lengths[7], lengths[90] = 2000, 700
    rows = [
        [str(1 + (row + i) % 30) for i in range(n)] for row, n in enumerate(lengths)
    ]
    before = calls(client)
    status, told = predict(client, {"instances": [example(row) for row in rows]})
    assert status == 200
    assert told["predictions"] == [
        [*map(float, row), *[-math.inf] * (2000 - len(row))] for row in rows
    ]
    count, small = (now - then for now, then in zip(calls(client), before, strict=True))
    # 98 short rows in 4 calls, and the long ones in two of their own.
    assert count == small == 4 + 2


def test_no_rows_are_no_fault_of_ours(client):
    for body in ({"inputs": {"examples": []}}, columns([], [], 3)):
        assert predict(client, body)[0] in (200, 400)
