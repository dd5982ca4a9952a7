"""Loads a SavedModel alone, asks it, and tells how it answered.

``python probe.py MODEL QUESTIONS BYTES``: a folder, a JSON file (``check.Questions``),
and the address space that it may take. It imports nothing of this package, as whoever
serves the model will not. The last line that it prints is a JSON object.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

CALLS = 20  # of each question, after the first, which traces
GARBAGE = b"\x0b\xff this is no Example \x00"


def main(model_folder: str, questions_file: str, most_bytes: str) -> None:
    """Loads the model, asks everything, prints what came of it."""
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
    first = next(iter(questions))  # whether it still answers after that
    answers["once more"] = answer(question_of(model, questions[first]))
    told = {
        "load_seconds": load_seconds,
        "peak_bytes": peak_bytes(),
        "answers": answers,
    }
    print(json.dumps(told))


def peak_bytes() -> int:
    """The most that was resident, of this program alone.

    Linux counts in ``ru_maxrss`` what the process had before it became this program,
    which is all that its parent has.
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
    """A call of the signature that answers it: with candidates, their scores."""
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
        history_rating=tf.zeros([1, 0]),  # all count as liked
        user_features=tf.zeros([1, 0], tf.string),
        k=tf.constant(10),
    )


def serialized(**lists: list[str]) -> bytes:
    """A tf.train.Example of strings."""
    features = {
        name: tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[value.encode() for value in values])
        )
        for name, values in lists.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    encoded: bytes = example.SerializeToString()
    return encoded


def answer(ask: Callable[[], dict[str, tf.Tensor]]) -> dict[str, Any]:
    """Asks several times: milliseconds, and what is wrong with the scores, if any."""
    try:
        scores = _scores(ask())
        seconds = []
        for _ in range(CALLS):
            started = time.monotonic()
            _scores(ask())
            seconds.append(time.monotonic() - started)
    except Exception as error:  # whatever it is, the model did not answer
        return {"error": _one_line(error)}
    if not scores.size:
        return {"error": "no score came back"}
    if not np.isfinite(scores).all():
        return {"error": f"{(~np.isfinite(scores)).sum()} of {scores.size} not finite"}
    return {
        "num_scores": int(scores.size),
        "median_ms": float(np.median(seconds)) * 1000,
        "worst_ms": float(np.max(seconds)) * 1000,
    }


def _scores(outputs: dict[str, tf.Tensor]) -> Any:
    scores = outputs["score"].numpy()
    if "item_id" in outputs:  # of a list that has fewer items than were asked for
        scores = scores[outputs["item_id"].numpy() != b""]
    return scores


def refusal(ask: Callable[[], Any]) -> dict[str, Any]:
    """Asks what cannot be answered: an error of the request is what should come."""
    try:
        ask()
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return {}  # the latter is of TensorFlow's own message, which repeats the bytes
    except Exception as error:  # not the model's word on the request
        return {"error": _one_line(error)}
    return {"error": "was answered like a request"}


def _one_line(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}".split()
    return " ".join(words)[:300]


if __name__ == "__main__":
    main(*sys.argv[1:])
