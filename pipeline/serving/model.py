"""One version in memory, loaded as TensorFlow Serving does: a graph and a session.

A session is closed when nobody needs it any more, and with it all its memory goes;
what ``tf.saved_model.load`` makes is held by cycles of Python objects, and its loading
is Python that stands in the way of requests for longer.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from components.pusher.versions import Version
from pipeline.serving.errors import RequestError
from trainer_modules import features as f

Tensors = dict[str, np.ndarray]
MODEL_NAME = "recommender"  # in the paths of TensorFlow Serving's REST API
INTER_OP_THREADS = 2  # of each version: operations beside each other
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
class TensorSpec:
    """What a signature takes under a name.

    Attributes:
      dtype: ``object`` for strings, which are bytes.
      shape: None where a dimension may have any size.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of the model.

    Attributes:
      inputs: what it takes.
      call: the tensors of all inputs, in the order of ``inputs`` → those of
        ``outputs``.
      outputs: names.
    """

    inputs: Mapping[str, TensorSpec]
    call: Callable[..., list[np.ndarray]]
    outputs: tuple[str, ...]


class LoadedModel:
    """A version that answers, until the last who holds it lets go."""

    def __init__(self, version: Version, threads: int):
        """Loads it; some seconds.

        Args:
          version: whose files are whole.
          threads: that one call may use.
        """
        self.number, self.name = version.number, version.model
        # Threads of its own: what a version does when it is warmed keeps the threads
        # busy that run operations, for seconds, and another one answers meanwhile.
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=INTER_OP_THREADS,
            use_per_session_threads=True,
        )
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        self._users, self._retired = 0, False
        with self._session.graph.as_default():
            graph = tf.compat.v1.saved_model.loader.load(
                self._session, [tf.saved_model.SERVING], str(version.folder)
            )
            self.signatures = {
                name: self._signature(told)
                for name, told in graph.signature_def.items()
                if told.outputs and told.inputs
            }
        self.metadata = {
            "model_spec": {
                "name": MODEL_NAME,
                "signature_name": "",
                "version": str(version.number),
            },
            "metadata": {
                "signature_def": {
                    "signature_def": {
                        name: json_format.MessageToDict(
                            told,
                            including_default_value_fields=True,
                            preserving_proto_field_name=True,
                        )
                        for name, told in graph.signature_def.items()
                    }
                }
            },
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

    def signature(self, name: str) -> Signature:
        """The signature of a name; "" is the default one.

        Raises:
          RequestError: there is none.
        """
        name = name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        if name not in self.signatures:
            told = f'Serving signature name: "{name}" not found in signature def'
            raise RequestError(400, told)
        return self.signatures[name]

    def __call__(self, name: str, inputs: Tensors) -> Tensors:
        """What the model answers, in any thread.

        Raises:
          RequestError: it says why not.
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
          rows: of the largest batch.

        Raises:
          RequestError: it does not answer.
        """
        example = tf.train.Example()
        for name in (f.USER_ID, f.ITEM_ID, f.HISTORY_ITEM_ID, f.CANDIDATE_ITEM_ID):
            example.features.feature[name].bytes_list.value.append(b"?")
        example.features.feature[f.RATING].float_list.value.append(1.0)
        questions: dict[str, Tensors] = {
            "recommend": {
                f.USER_ID: np.array([b"?"], object),
                f.HISTORY_ITEM_ID: np.array([[b"?"]], object),
                "k": np.array(10, np.int32),
            },
            "serving_default": {
                "examples": np.array([example.SerializeToString()], object)
            },
        }
        for name, question in questions.items():
            if name in self.signatures:
                for times in (1, 2, rows):
                    batch = {
                        key: np.repeat(value, times, 0) if value.ndim else value
                        for key, value in question.items()
                    }
                    self(name, batch)

    def acquire(self) -> None:
        """Keeps the model from being closed; for the event loop alone, as all below."""
        self._users += 1

    def release(self) -> None:
        """Ends what ``acquire`` began."""
        self._users -= 1
        self._close_if_idle()

    def retire(self) -> None:
        """Closes the model as soon as its last request has ended."""
        self._retired = True
        self._close_if_idle()

    @property
    def closed(self) -> bool:
        """Whether its memory is gone, or about to."""
        return self._session is None

    def _close_if_idle(self) -> None:
        if self._retired and not self._users and self._session is not None:
            session, self._session, self.signatures = self._session, None, {}
            asyncio.get_running_loop().run_in_executor(None, session.close)
