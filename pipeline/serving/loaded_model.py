"""A version in memory, loaded as TensorFlow Serving does: a graph and a session.

A call of it costs less Python than one of what ``tf.saved_model.load`` makes, and it
is loaded in half the time.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from components import saved_model_scan
from pipeline.recommend.user_history import History, check_inputs, recommend_inputs
from pipeline.serving.errors import RequestError
from pipeline.serving.json_tensors import Tensors, TensorSpec, num_rows
from trainer_modules import features as f

INTER_OP_THREADS = 2  # operations beside each other
# What TensorFlow's errors are in HTTP (ToHTTPStatusCode in TensorFlow Serving).
_STATUS = {
    tf.errors.InvalidArgumentError: 400,
    tf.errors.FailedPreconditionError: 400,
    tf.errors.OutOfRangeError: 400,
    tf.errors.PermissionDeniedError: 403,
    tf.errors.NotFoundError: 404,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.UnimplementedError: 501,
    tf.errors.UnavailableError: 503,
    tf.errors.DeadlineExceededError: 504,
}


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the model.

    Attributes:
        inputs: What it takes.
        call: The tensors of all inputs, in the order of ``inputs`` → those of
            ``outputs``.
        outputs: Names.
    """

    inputs: Mapping[str, TensorSpec]
    call: Callable[..., list[np.ndarray]]
    outputs: tuple[str, ...]


class LoadedModel:
    """A version that answers."""

    def __init__(self, folder: str, threads: int):
        """Loads it; some seconds.

        Args:
            folder: Of a SavedModel.
            threads: That one call may use.

        Raises:
            HostileModelError: It does more than compute; it was not loaded.
        """
        saved_model_scan.scan(Path(folder))
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=INTER_OP_THREADS,
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            graph = tf.compat.v1.saved_model.loader.load(
                self._session, [tf.saved_model.SERVING], folder
            )
            self.signatures = {
                name: self._signature(told)
                for name, told in graph.signature_def.items()
                if told.outputs and told.inputs
            }
        self.inputs = {
            name: dict(signature.inputs) for name, signature in self.signatures.items()
        }
        self.signature_defs = {
            name: json_format.MessageToDict(
                told,
                including_default_value_fields=True,
                preserving_proto_field_name=True,
            )
            for name, told in graph.signature_def.items()
        }

    def _signature(self, told: Any) -> Signature:
        inputs = {
            name: TensorSpec(
                np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype),
                tuple(
                    None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim
                ),
            )
            for name, info in told.inputs.items()
        }
        outputs = tuple(sorted(told.outputs))
        call = self._session.make_callable(
            [told.outputs[name].name for name in outputs],
            [told.inputs[name].name for name in inputs],
        )
        return Signature(inputs, call, outputs)

    def __call__(self, name: str, inputs: Tensors) -> Tensors:
        """What the model answers, in any thread.

        Raises:
            RequestError: It says why not.
        """
        signature = self.signatures[name]
        try:
            values = signature.call(*(inputs[key] for key in signature.inputs))
        except tf.errors.OpError as error:
            raise RequestError(_STATUS.get(type(error), 500), error.message) from error
        return dict(zip(signature.outputs, values, strict=True))

    def warm(self, rows: int) -> None:
        """Asks what it will be asked: the first time takes TensorFlow seconds.

        Args:
            rows: Of the largest batch.

        Raises:
            RequestError: It does not answer.
            SignatureError: Its ``recommend`` is that of another release.
        """
        if "recommend" in self.signatures:
            check_inputs(self.signatures["recommend"].inputs)
        example = tf.train.Example()
        for name in (f.USER_ID, f.ITEM_ID, f.HISTORY_ITEM_ID, f.CANDIDATE_ITEM_ID):
            example.features.feature[name].bytes_list.value.append(b"?")
        example.features.feature[f.RATING].float_list.value.append(1.0)
        questions: dict[str, Tensors] = {
            "recommend": recommend_inputs(["?"], [History(["?"], [1.0])], 10),
            "serving_default": {
                "examples": np.array([example.SerializeToString()], object)
            },
        }
        for name, question in questions.items():
            if name in self.signatures:
                # TensorFlow optimises anew where a size is 1, or is not any more.
                for times in (1, 2, rows):
                    batch = {
                        key: np.repeat(value, times, 0) if value.ndim else value
                        for key, value in question.items()
                    }
                    self(name, batch)

    def answers(
        self, name: str, requests: list[Tensors]
    ) -> list[Tensors | tuple[int, str]]:
        """An answer to each request, or status and message of what is wrong with it.

        All are joined into one call. What one of them breaks, the others do not notice.
        """
        try:
            if len(requests) == 1:
                return [self(name, requests[0])]
            widths = [_width(name, inputs) for inputs in requests]
            joined = self(name, _join(requests))
            return _split(joined, requests, widths)
        except Exception as error:
            if len(requests) > 1:
                return [self.answers(name, [each])[0] for each in requests]
            if isinstance(error, RequestError):
                return [(error.status, error.message)]
            return [(500, f"{type(error).__name__}: {error}")]


def _width(name: str, inputs: Tensors) -> int | None:
    """Columns of a request's answer; those that a longer one adds are cut off."""
    if name == "recommend":
        return int(inputs["k"])
    if name == "serving_default":
        return max(_num_candidates(example) for example in inputs["examples"])
    return None


def _num_candidates(example: bytes) -> int:
    told = tf.train.Example.FromString(example)
    return len(told.features.feature[f.CANDIDATE_ITEM_ID].bytes_list.value)


def _join(requests: list[Tensors]) -> Tensors:
    joined = {}
    for name in requests[0]:
        values = [inputs[name] for inputs in requests]
        if not values[0].ndim:
            joined[name] = np.max(values)  # k: the others' lists are its beginnings
            continue
        if values[0].ndim > 1:
            width = max(value.shape[1] for value in values)
            padding = b"" if values[0].dtype == object else np.nan  # no rating
            values = [
                np.pad(
                    value,
                    [(0, 0), (0, width - value.shape[1])],
                    constant_values=padding,
                )
                for value in values
            ]
        joined[name] = np.concatenate(values)
    return joined


def _split(
    joined: Tensors, requests: list[Tensors], widths: list[int | None]
) -> list[Tensors | tuple[int, str]]:
    answers: list[Tensors | tuple[int, str]] = []
    start = 0
    for inputs, width in zip(requests, widths, strict=True):
        end = start + num_rows(inputs)
        answers.append({key: value[start:end, :width] for key, value in joined.items()})
        start = end
    return answers
