"""A version in memory that answers batches of requests."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import json_format

from components.exported_model import ExportedModel, Function
from components.tensorflow_runtime import dtypes, errors
from pipeline.recommend.example_records import Example
from pipeline.recommend.similar_items import similar_inputs
from pipeline.recommend.user_history import History, check_inputs, recommend_inputs
from pipeline.serving.errors import RequestError
from pipeline.serving.example_items import num_candidates
from pipeline.serving.json_tensors import Tensors, TensorSpec, num_rows
from trainer_modules import features as f

# HTTP status of TensorFlow's errors (ToHTTPStatusCode in TensorFlow Serving).
_STATUS = {
    errors.InvalidArgumentError: 400,
    errors.FailedPreconditionError: 400,
    errors.OutOfRangeError: 400,
    errors.PermissionDeniedError: 403,
    errors.NotFoundError: 404,
    errors.ResourceExhaustedError: 429,
    errors.UnimplementedError: 501,
    errors.UnavailableError: 503,
    errors.DeadlineExceededError: 504,
}
# By kind of a type: no item, no rating, no time.
PADDING: dict[str, bytes | float] = {"O": b"", "f": np.nan, "i": 0}


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the model.

    Attributes:
        inputs: Types and shapes of the inputs by name.
        call: Computes the outputs from the inputs, both by name.
    """

    inputs: Mapping[str, TensorSpec]
    call: Function


class LoadedModel:
    """A version that answers requests."""

    def __init__(self, folder: str, threads: int):
        """Loads a model, which takes seconds.

        Args:
            folder: Folder of a SavedModel.
            threads: Number of threads that one call may use.

        Raises:
            HostileModelError: If the model does more than compute. It is not loaded.
        """
        model = ExportedModel(Path(folder), threads)
        self.signatures = {
            name: Signature(_specs(definition), model.function(name))
            for name, definition in model.signature_defs.items()
            if definition.outputs and definition.inputs
        }
        self.inputs = {
            name: dict(signature.inputs) for name, signature in self.signatures.items()
        }
        self.signature_defs = {
            name: json_format.MessageToDict(
                definition,
                including_default_value_fields=True,
                preserving_proto_field_name=True,
            )
            for name, definition in model.signature_defs.items()
        }

    def __call__(self, name: str, inputs: Tensors) -> Tensors:
        """Returns the outputs of a signature; any thread may call this.

        Raises:
            RequestError: If the model refuses the inputs.
        """
        try:
            return self.signatures[name].call(inputs)
        except errors.OpError as error:
            raise RequestError(_STATUS.get(type(error), 500), error.message) from error

    def warm(self, rows: int) -> None:
        """Evaluates typical requests, because the first ones take TensorFlow seconds.

        Args:
            rows: Number of rows of the largest batch.

        Raises:
            RequestError: If the model does not answer.
            SignatureError: If its ``recommend`` has the inputs of another release.
        """
        names: Collection[str] = ()
        if "recommend" in self.signatures:
            names = self.signatures["recommend"].inputs
            check_inputs(names)
        example = Example()
        for name in (f.USER_ID, f.ITEM_ID, f.HISTORY_ITEM_ID, f.CANDIDATE_ITEM_ID):
            example.features.feature[name].bytes_list.value.append(b"?")
        example.features.feature[f.RATING].float_list.value.append(1.0)
        questions: dict[str, Tensors] = {
            "recommend": recommend_inputs(["?"], [History(["?"], [1.0])], 10, names),
            "serving_default": {
                "examples": np.array([example.SerializeToString()], object)
            },
            "similar": similar_inputs("?", 10),
        }
        for name, question in questions.items():
            if name in self.signatures:
                # TensorFlow optimises again when a size becomes 1, or ceases to be 1.
                for times in (1, 2, rows):
                    batch = {
                        key: np.repeat(value, times, 0) if value.ndim else value
                        for key, value in question.items()
                    }
                    self(name, batch)

    def answers(
        self, name: str, requests: list[Tensors]
    ) -> list[Tensors | tuple[int, str]]:
        """Returns an answer to each request, or the status and message of its error.

        All requests are joined into one call. An error of one does not affect others.
        """
        try:
            if len(requests) == 1:
                return [self(name, requests[0])]
            widths = [_width(name, inputs) for inputs in requests]
            joined = self(name, _join(requests))
            return _split(joined, requests, widths)
        except Exception as error:
            if len(requests) > 1:
                return [self.answers(name, [request])[0] for request in requests]
            if isinstance(error, RequestError):
                return [(error.status, error.message)]
            return [(500, f"{type(error).__name__}: {error}")]


def _specs(definition: Any) -> dict[str, TensorSpec]:
    """Returns the types and shapes of a signature's inputs by name."""
    return {
        name: TensorSpec(
            np.dtype(dtypes.as_dtype(info.dtype).as_numpy_dtype),
            tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in definition.inputs.items()
    }


def _width(name: str, inputs: Tensors) -> int | None:
    """Returns the columns of a request's answer; None if joining adds none."""
    if name == "recommend":
        return int(inputs["k"])
    if name == "serving_default":
        return max(num_candidates(example) for example in inputs["examples"])
    return None


def _join(requests: list[Tensors]) -> Tensors:
    return {
        name: _joined([inputs[name] for inputs in requests]) for name in requests[0]
    }


def _joined(values: list[np.ndarray]) -> np.ndarray:
    """Returns the rows of all requests, padded to the length of the longest."""
    if not values[0].ndim:
        return np.max(values)  # k: shorter lists are prefixes of longer ones
    if values[0].ndim == 1:
        return np.concatenate(values)
    padding = PADDING[values[0].dtype.kind]
    shape = sum(map(len, values)), max(value.shape[1] for value in values)
    joined = np.full(shape, padding, values[0].dtype)
    start = 0
    for value in values:
        end = start + len(value)
        joined[start:end, : value.shape[1]] = value
        start = end
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
