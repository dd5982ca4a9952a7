"""Loads a SavedModel, sends it requests and prints how it answered.

Run as ``python probe.py MODEL QUESTIONS BYTES``: the model's folder, a JSON file
(``check.Questions``), and the limit of the address space. Like a server, it imports
nothing of this package. The last line that it prints is a JSON object.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

CALLS = 20  # of each request, after the first one, which traces the graph
Answer = dict[str, str | float]  # the fields of ``figures.Answer``
GARBAGE = b"\x0b\xff this is not an Example \x00"


def main(model_folder: str, questions_file: str, most_bytes: str) -> None:
    """Loads the model, sends all requests, and prints the results."""
    resource.setrlimit(resource.RLIMIT_AS, (int(most_bytes), int(most_bytes)))
    with open(questions_file) as file:
        questions: dict[str, dict[str, list[str]]] = json.load(file)
    started = time.monotonic()
    model = tf.saved_model.load(model_folder)
    load_seconds = time.monotonic() - started
    answers = {
        name: answer(question_of(model, question))
        for name, question in questions.items()
    }
    score = model.signatures["serving_default"]
    answers["garbage bytes"] = refusal(lambda: score(examples=tf.constant([GARBAGE])))
    first = next(iter(questions))  # does it still answer after that?
    answers["once more"] = answer(question_of(model, questions[first]))
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
    model: Any, question: dict[str, list[str]]
) -> Callable[[], dict[str, tf.Tensor]]:
    """Returns a function that sends a request: for scores if it has candidates."""
    if "candidates" in question:
        score = model.signatures["serving_default"]
        example = serialized(
            user_id=question["user"],
            history_item_id=question["history"],
            candidate_item_id=question["candidates"],
        )
        return lambda: score(examples=tf.constant([example]))
    recommend = model.signatures["recommend"]
    user = tf.constant(question["user"])
    history = tf.constant(
        [question["history"]], tf.string, [1, len(question["history"])]
    )
    return lambda: recommend(
        user_id=user,
        history_item_id=history,
        history_rating=tf.zeros([1, 0]),  # all count as likes
        user_features=tf.zeros([1, 0], tf.string),
        k=tf.constant(10),
    )


def serialized(**lists: list[str]) -> bytes:
    """Returns a serialized ``tf.train.Example`` of lists of strings."""
    features = {
        name: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[value.encode() for value in values])
        )
        for name, values in lists.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    encoded: bytes = example.SerializeToString()
    return encoded


def answer(ask: Callable[[], dict[str, tf.Tensor]]) -> Answer:
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


def _scores(outputs: dict[str, tf.Tensor]) -> Any:
    scores = outputs["score"].numpy()
    if "item_id" in outputs:  # lists shorter than k are padded
        scores = scores[outputs["item_id"].numpy() != b""]
    return scores


def refusal(ask: Callable[[], Any]) -> Answer:
    """Sends an invalid request, which must raise an error about the request."""
    try:
        ask()
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return {}  # UnicodeDecodeError: TensorFlow's message repeats the bytes
    except Exception as error:  # an error that is not about the request
        return {"error": _one_line(error)}
    return {"error": "was answered like a valid request"}


def _one_line(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}".split()
    return " ".join(words)[:300]


if __name__ == "__main__":
    main(*sys.argv[1:])
