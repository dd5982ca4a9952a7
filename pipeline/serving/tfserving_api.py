"""TensorFlow Serving's REST API: status, metadata and ``:predict``.

https://www.tensorflow.org/tfx/serving/api_rest
"""

import asyncio
import time
from typing import Any

import msgspec
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from pipeline.recommend.list_rules import UPDATE
from pipeline.serving import json_answers, json_tensors
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.example_items import check_examples
from pipeline.serving.middleware import JSON, BodyMemory, body_of
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.settings import ServingSettings
from pipeline.serving.version_watcher import MODEL_NAME, LiveModel

MODEL = f"/v1/models/{MODEL_NAME}"
VERSION = MODEL + "/versions/{version:version}"
LARGE_BODY = 1 << 14  # bytes: parsing it would delay other clients
PAUSE = 3  # times the time that a large body took, before the next one is parsed


class _VersionConvertor(IntegerConvertor):
    """A number of at most 18 digits: TensorFlow Serving's have 64 bits."""

    regex = "[0-9]{1,18}"


register_url_convertor("version", _VersionConvertor())


class PredictRequest(msgspec.Struct):
    """Tensors for a signature, either row by row or column by column.

    Attributes:
        signature_name: Name of the signature; ``serving_default`` if missing.
        instances: List of rows: objects with all inputs by name, or plain values if the
            signature has one input.
        inputs: Object with all inputs by name, or the only input. A signature with a
            scalar input, such as ``k`` of ``recommend``, accepts only this form.
    """

    signature_name: str = ""
    instances: Any = msgspec.UNSET
    inputs: Any = msgspec.UNSET


class Predictions(msgspec.Struct):
    """Response to ``instances``.

    Attributes:
        predictions: Outputs of each row by name, or the only output.
    """

    predictions: list[Any]


class Outputs(msgspec.Struct):
    """Response to ``inputs``.

    Attributes:
        outputs: Outputs by name, or the only output.
    """

    outputs: Any


class Status(msgspec.Struct):
    """Load status of a version.

    Attributes:
        error_code: ``OK`` or ``UNKNOWN``.
        error_message: Why the version could not be loaded; otherwise empty.
    """

    error_code: str
    error_message: str


class VersionStatus(msgspec.Struct):
    """State of a version.

    Attributes:
        version: Number of the version, as text.
        state: ``LOADING``, ``AVAILABLE`` or ``END``.
        status: Load status of the version.
    """

    version: str
    state: str
    status: Status


class ModelStatus(msgspec.Struct):
    """States of all versions since the server started, newest first."""

    model_version_status: list[VersionStatus]


class ModelSpec(msgspec.Struct):
    """The model that is described."""

    name: str
    signature_name: str
    version: str


class Metadata(msgspec.Struct):
    """Signatures of a version, in TensorFlow's own description."""

    model_spec: ModelSpec
    metadata: dict[str, Any]


class TFServingApi:
    """Handlers of the paths under ``/v1/models/recommender``."""

    def __init__(self, live: LiveModel, batcher: Batcher, settings: ServingSettings):
        self._live, self._batcher, self._settings = live, batcher, settings
        self._memory = BodyMemory(settings.max_bodies)
        # One large body or answer at a time: it takes many times its size in memory,
        # and threads that compute delay the event loop.
        self._large = asyncio.Semaphore(1)

    async def predict(self, request: Request) -> Response:
        """Evaluates a signature of the model."""
        with self._memory.taken() as take:
            body = await body_of(request, self._settings, take)
            is_large = len(body) > LARGE_BODY
            with self._live.held(request.path_params.get("version")) as model:
                if is_large:
                    question = await self._read_slowly(body, model)
                else:
                    question = self._read(body, model)
                name, inputs, form = question
                answer = (await self._batcher.ask(model, name, inputs)).outputs
        if is_large or sum(value.size for value in answer.values()) > LARGE_BODY:
            async with self._large:
                content = await asyncio.to_thread(json_answers.answer, answer, form)
        else:
            content = json_answers.answer(answer, form)
        return Response(content, media_type=JSON)

    async def status(self, request: Request) -> Response:
        """Lists the versions and their states."""
        wanted = request.path_params.get("version")
        states = self._live.states
        if wanted is not None and wanted not in states:
            raise RequestError(
                404, f"Could not find version {wanted} of model {MODEL_NAME}"
            )
        if not states:
            raise RequestError(
                404, f"Could not find any versions of model {MODEL_NAME}"
            )
        status = ModelStatus(
            [
                VersionStatus(
                    str(number),
                    state.state,
                    Status("UNKNOWN" if state.error else "OK", state.error),
                )
                for number, state in sorted(states.items(), reverse=True)
                if wanted in (None, number)
            ]
        )
        return Response(msgspec.json.encode(status), media_type=JSON)

    async def metadata(self, request: Request) -> Response:
        """Describes the signatures of a version."""
        with self._live.held(request.path_params.get("version")) as model:
            metadata = Metadata(
                ModelSpec(MODEL_NAME, "", str(model.number)),
                {"signature_def": {"signature_def": model.signature_defs}},
            )
        return Response(msgspec.json.encode(metadata), media_type=JSON)

    async def _read_slowly(
        self, body: bytes, model: ModelProcess
    ) -> tuple[str, json_tensors.Tensors, json_tensors.Format]:
        """Parses a large body in a thread, and pauses before the next one may start.

        So large bodies take at most a quarter of the time in which Python, which runs
        one thread at a time, could answer other clients, however many are sent.
        """
        async with self._large:
            started = time.perf_counter()
            try:
                return await asyncio.to_thread(self._read, body, model)
            finally:
                await asyncio.sleep(PAUSE * (time.perf_counter() - started))

    def _read(
        self, body: bytes, model: ModelProcess
    ) -> tuple[str, json_tensors.Tensors, json_tensors.Format]:
        """Returns the signature's name, its inputs, and the format of the answer."""
        try:
            content = json_tensors.parse(body)
            name = content.get("signature_name", "")
            if not isinstance(name, str):
                raise RequestError(400, "'signature_name' key must be a string value.")
            name = name or "serving_default"
            if name == UPDATE:
                raise RequestError(
                    403, f"{UPDATE} is not open to clients: change the file of the feed"
                )
            inputs, form = json_tensors.inputs(
                content, model.specs(name), self._settings
            )
            if name == "serving_default":
                check_examples(inputs, self._settings)
            return name, inputs, form
        except RecursionError:
            raise RequestError(400, "JSON Parse error: nested too deeply") from None
