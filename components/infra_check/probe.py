"""Loads a SavedModel, sends it requests and prints how it answered.

Run as ``python -m components.infra_check.probe MODEL QUESTIONS BYTES``: the model's
folder, a JSON file (``check.Questions``), and the limit of the address space. The model
answers as in ``marquee serve``. The last line that is printed is a JSON object.
"""

import functools
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.exported_model import ExportedModel, Function, Tensors
from components.tensorflow_parts import imported_alone
from components.tensorflow_runtime import errors

with imported_alone():
    from tensorflow.core.example import example_pb2, feature_pb2

DAY = 86_400  # seconds
CALLS = 20  # of each request, after the first one, which prepares the graph
Answer = dict[str, str | float]  # the fields of ``figures.Answer``
GARBAGE = b"\x0b\xff this is not an Example \x00"


def main(model_folder: str, questions_file: str, most_bytes: str) -> None:
    """Loads the model, sends all requests, and prints the results."""
    resource.setrlimit(resource.RLIMIT_AS, (int(most_bytes), int(most_bytes)))
    with open(questions_file) as file:
        questions: dict[str, dict[str, list[str]]] = json.load(file)
    started = time.monotonic()
    model = ExportedModel(Path(model_folder), was_scanned=True)
    score, recommend = model.function("serving_default"), model.function("recommend")
    load_seconds = time.monotonic() - started
    answers = {
        name: answer(question_of(score, recommend, question))
        for name, question in questions.items()
    }
    garbage = {"examples": np.array([GARBAGE], object)}
    answers["garbage bytes"] = refusal(lambda: score(garbage))
    first = next(iter(questions))  # does it still answer after that?
    if "similar" in model.signature_defs:
        asked = list(questions.values())[-1]
        similar = similar_of(model, question_of(score, recommend, asked))
        answers["similar items"] = answer(similar)
    answers["once more"] = answer(question_of(score, recommend, questions[first]))
    result = {
        "load_seconds": load_seconds,
        "peak_bytes": peak_bytes(),
        "answers": answers,
    }
    print(json.dumps(result))


def peak_bytes() -> int:
    """Returns the peak resident memory of this program alone.

    On Linux, ``ru_maxrss`` would include what the process had before it became this
    program, which is all memory of its parent.
    """
    try:
        with open("/proc/self/status") as file:
            [line] = [line for line in file if line.startswith("VmHWM:")]
    except FileNotFoundError:  # macOS, which counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(line.split()[1]) * 1024


def question_of(
    score: Function, recommend: Function, question: dict[str, list[str]]
) -> Callable[[], Tensors]:
    """Returns a function that sends a request: for scores if it has candidates."""
    if "candidates" in question:
        example = serialized(
            user_id=question["user"],
            history_item_id=question["history"],
            candidate_item_id=question["candidates"],
        )
        return lambda: score({"examples": np.array([example], object)})
    days = np.arange(1, 1 + len(question["history"]))
    request = {
        "user_id": np.array(question["user"], object),
        "history_item_id": np.array([question["history"]], object),
        "history_rating": np.zeros([1, 0], np.float32),  # all count as likes
        "user_features": np.zeros([1, 0], object),
        "history_timestamp": DAY * days[np.newaxis],  # only for models that read times
        "history_event_type": np.zeros([1, 0], object),  # only for models with events
        # Only for models that recommend items again after some time, or read fields of
        # times.
        "request_timestamp": np.array([int(time.time())]),
        "exclude_item_id": np.zeros([1, 0], object),
        "filter": np.zeros([1, 0], object),  # only for models with rules
        "k": np.array(10, np.int32),
    }
    return lambda: recommend(request)


def similar_of(
    model: ExportedModel, ask_list: Callable[[], Tensors]
) -> Callable[[], Tensors]:
    """Returns a function that requests the items that are similar to one of a list.

    Such an item has a vector, as an item of the catalogue may not.
    """
    similar = model.function("similar")
    item_id = functools.cache(lambda: ask_list()["item_id"][0, :1])
    k = np.array(10, np.int32)
    return lambda: similar({"item_id": item_id(), "k": k})


def serialized(**lists: list[str]) -> bytes:
    """Returns a serialized ``tf.train.Example`` of lists of strings."""
    features = {
        name: feature_pb2.Feature(
            bytes_list=feature_pb2.BytesList(value=[value.encode() for value in values])
        )
        for name, values in lists.items()
    }
    example = example_pb2.Example(features=feature_pb2.Features(feature=features))
    encoded: bytes = example.SerializeToString()
    return encoded


def answer(ask: Callable[[], Tensors]) -> Answer:
    """Sends a request several times and returns its timing, or what is wrong."""
    try:
        scores = _scores(ask())
        seconds = []
        for _ in range(CALLS):
            started = time.monotonic()
            _scores(ask())
            seconds.append(time.monotonic() - started)
    except Exception as error:  # for any reason, the model did not answer
        return {"error": _one_line(error)}
    if not scores.size:
        return {"error": "it returned no score"}
    if not np.isfinite(scores).all():
        return {"error": f"{(~np.isfinite(scores)).sum()} of {scores.size} not finite"}
    return {
        "num_scores": int(scores.size),
        "median_ms": float(np.median(seconds)) * 1000,
        "worst_ms": float(np.max(seconds)) * 1000,
    }


def _scores(outputs: Tensors) -> Any:
    scores = outputs["score"]
    if "item_id" in outputs:  # lists shorter than k are padded
        scores = scores[outputs["item_id"] != b""]
    return scores


def refusal(ask: Callable[[], Any]) -> Answer:
    """Sends an invalid request, which must raise an error about the request."""
    try:
        ask()
    except (errors.InvalidArgumentError, UnicodeDecodeError):
        return {}  # UnicodeDecodeError: TensorFlow's message repeats the bytes
    except Exception as error:  # an error that is not about the request
        return {"error": _one_line(error)}
    return {"error": "was answered like a valid request"}


def _one_line(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}".split()
    return " ".join(words)[:300]


if __name__ == "__main__":
    main(*sys.argv[1:])
