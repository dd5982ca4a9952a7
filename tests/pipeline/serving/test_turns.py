"""The order of service, with a stand-in for the model that records its calls."""

import asyncio
import contextlib
import gc
import json
import time
import weakref

import numpy as np
import pytest

from pipeline.serving import json_answers
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.request_parts import CALL_ITEMS
from pipeline.serving.settings import ServingSettings
from pipeline.serving.tfserving_api import TFServingApi


class StandInModel:
    """Answers ``recommend`` when permitted; ``calls`` has the users of each call."""

    def __init__(self):
        self.calls, self.may_go = [], asyncio.Semaphore(0)

    async def ask(self, signature, requests):
        await self.may_go.acquire()
        await asyncio.sleep(0)  # no answer arrives at once
        self.calls.append([str(r["user_id"][0]) for r in requests])
        return [{"score": np.zeros((len(r["user_id"]), int(r["k"])))} for r in requests]

    def acquire(self):
        pass

    def release(self):
        pass


def request(user, rows, k=10, history=1):
    return {
        "user_id": np.array([user] * rows, object),
        "history_item_id": np.full((rows, history), b"i", object),
        "k": np.array(k),
    }


async def served_while_large_ones_wait(large, small):
    model = StandInModel()
    batcher = Batcher(ServingSettings(batch_ms=0.0), Metrics())
    asking = [
        asyncio.create_task(batcher.ask(model, "recommend", each)) for each in large
    ]
    await asyncio.sleep(0.05)  # the first call runs, the others wait
    before = len(model.calls)
    mine = asyncio.create_task(batcher.ask(model, "recommend", small))
    await asyncio.sleep(0.05)
    while not mine.done():
        model.may_go.release()
        await asyncio.sleep(0.01)
    place = next(i for i, users in enumerate(model.calls) if "ann" in users)
    calls = place + 1 - before
    for _ in range(500):
        model.may_go.release()
    answers = await asyncio.gather(*asking)
    return calls, answers, model.calls


@pytest.mark.parametrize(
    "large",
    [
        [request(f"large{i}", 1024) for i in range(8)],
        [request(f"large{i}", 1, history=20_000) for i in range(8)],
        [request(f"large{i}", 64 * (i + 1), k=8 << i) for i in range(6)],
    ],
    ids=["many rows", "a long row", "of every length"],
)
def test_a_small_request_waits_for_at_most_two_calls_of_large_ones(large):
    small = request("ann", 1)
    calls, answers, _ = asyncio.run(served_while_large_ones_wait(large, small))
    assert calls <= 3  # the one that ran, one of a large request, its own
    for asked, answer in zip(large, answers, strict=True):
        assert answer.outputs["score"].shape == (len(asked["user_id"]), int(asked["k"]))


def test_small_requests_do_not_starve_a_large_one():
    async def scenario():
        model = StandInModel()
        batcher = Batcher(ServingSettings(batch_ms=0.0), Metrics())
        asks = [batcher.ask(model, "recommend", request("large", 96))]
        asks += [
            batcher.ask(model, "recommend", request(f"u{i}", 32)) for i in range(20)
        ]
        tasks = [asyncio.create_task(ask) for ask in asks]
        await asyncio.sleep(0.05)
        for _ in range(100):
            model.may_go.release()
        await asyncio.gather(*tasks)
        return model.calls

    calls = asyncio.run(scenario())
    last = max(place for place, call in enumerate(calls) if "large" in call)
    assert last <= 5  # its three calls take turns with those of the others


def test_a_call_has_no_more_items_than_it_may():
    sizes = []

    class Measuring(StandInModel):
        async def ask(self, signature, requests):
            sizes.append(sum(r["history_item_id"].size for r in requests))
            return await super().ask(signature, requests)

    async def scenario():
        model = Measuring()
        batcher = Batcher(ServingSettings(), Metrics())
        for _ in range(100):
            model.may_go.release()
        await batcher.ask(model, "recommend", request("large", 60, history=4000))

    asyncio.run(scenario())
    assert max(sizes) <= CALL_ITEMS
    assert sum(sizes) == 60 * 4000


OUTPUTS = {
    "one column": {"score": np.array([[0.1, 2.5], [np.nan, -np.inf]], np.float32)},
    "two columns": {
        "item_id": np.array([[b"a", 'ä"\\'.encode()]], object),
        "score": np.array([[1e-7, 3]], np.float32),
    },
    "vector": {"auc": np.array([0.25, 0.5], np.float32)},
    "bytes": {"x_bytes": np.array([b"\xff\x00", b""], object)},
    "scalar": {"n": np.array(3, np.int64), "score": np.array([[1.5]], np.float32)},
    "no rows": {"score": np.zeros((0, 3), np.float32)},
}


@pytest.mark.parametrize("form", ["row", "columnar"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_answers_are_the_json_that_encoding_them_whole_gives(name, form):
    outputs = OUTPUTS[name]

    def plain(key, value):
        if isinstance(value, list):
            return [plain(key, each) for each in value]
        if isinstance(value, bytes) and key.endswith("_bytes"):
            return {"b64": {b"\xff\x00": "/wA=", b"": ""}[value]}
        if isinstance(value, bytes):
            return value.decode()
        return float(str(np.float32(value))) if isinstance(value, float) else value

    told = {key: plain(key, value.tolist()) for key, value in outputs.items()}
    if form == "columnar":
        expected = {"outputs": told if len(told) > 1 else next(iter(told.values()))}
    elif name == "scalar":
        with pytest.raises(RequestError):
            json_answers.answer(outputs, form)
        return
    elif len(told) == 1:
        expected = {"predictions": next(iter(told.values()))}
    else:
        rows = zip(*told.values(), strict=True)
        expected = {"predictions": [dict(zip(told, row, strict=True)) for row in rows]}
    whole = json.dumps(expected, ensure_ascii=False).encode()
    assert json_answers.answer(outputs, form) == whole


class RefusingModel(StandInModel):
    """Refuses every request."""

    async def ask(self, signature, requests):
        return [RequestError(400, "refused")] * len(requests)


def test_a_refused_request_is_freed_without_a_garbage_collection():
    async def is_freed():
        batcher = Batcher(ServingSettings(batch_ms=0.0), Metrics())
        inputs = request("ann", 1)
        users = weakref.ref(inputs["user_id"])
        with contextlib.suppress(RequestError):
            await batcher.ask(RefusingModel(), "recommend", inputs)
        del inputs
        await asyncio.sleep(0.05)  # the call's task ends
        return users() is None

    gc.disable()
    try:
        assert asyncio.run(is_freed())
    finally:
        gc.enable()


def test_large_bodies_are_parsed_for_a_quarter_of_the_time(monkeypatch):
    async def seconds():
        api = TFServingApi(None, None, ServingSettings())
        monkeypatch.setattr(api, "_read", lambda body, model: time.sleep(0.02))
        started = time.perf_counter()
        await asyncio.gather(*(api._read_slowly(b"", None) for _ in range(3)))
        return time.perf_counter() - started

    assert asyncio.run(seconds()) >= 3 * 4 * 0.02
