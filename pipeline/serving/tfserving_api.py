"""TensorFlow Serving's REST API: status, metadata and ``:predict``."""

import asyncio
from typing import Any

import msgspec
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.serving import json_tensors
from pipeline.serving.batching import Batcher
from pipeline.serving.errors import RequestError
from pipeline.serving.middleware import JSON, Room, body_of, route
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.settings import ServingSettings
from pipeline.serving.version_watcher import MODEL_NAME, LiveModel

MODEL = f"/v1/models/{MODEL_NAME}"
VERSION = MODEL + "/versions/{version:version}"
LARGE_BODY = 1 << 14  # bytes: reading it would keep others waiting


class _VersionConvertor(IntegerConvertor):
    """Of no more digits than TensorFlow Serving's 64 bits; Python refuses thousands."""

    regex = "[0-9]{1,18}"


register_url_convertor("version", _VersionConvertor())


class PredictRequest(msgspec.Struct):
    """Tensors for a signature, row by row or column by column, not both.

    Attributes:
        signature_name: ``serving_default`` where it is left out.
        instances: A row for each, with all inputs by name; or plain values where the
            signature has one input.
        inputs: All inputs by name; or the only one. What has a scalar among its inputs,
            as ``recommend`` has ``k``, can be asked this way alone.
    """

    signature_name: str = ""
    instances: Any = msgspec.UNSET
    inputs: Any = msgspec.UNSET


class Predictions(msgspec.Struct):
    """The answer to ``instances``.

    Attributes:
        predictions: For each row its outputs by name, or the only output.
    """

    predictions: list[Any]


class Outputs(msgspec.Struct):
    """The answer to ``inputs``.

    Attributes:
        outputs: The outputs by name, or the only one.
    """

    outputs: Any


class Status(msgspec.Struct):
    """How a version came out.

    Attributes:
        error_code: ``OK`` or ``UNKNOWN``.
        error_message: Why a version was refused.
    """

    error_code: str
    error_message: str


class VersionStatus(msgspec.Struct):
    """A version since the server started.

    Attributes:
        version: A number, as text.
        state: ``LOADING``, ``AVAILABLE`` or ``END``.
        status: Of it.
    """

    version: str
    state: str
    status: Status


class ModelStatus(msgspec.Struct):
    """All versions since the server started, the newest first."""

    model_version_status: list[VersionStatus]


class ModelSpec(msgspec.Struct):
    """Which model is described."""

    name: str
    signature_name: str
    version: str


class Metadata(msgspec.Struct):
    """The signatures, as TensorFlow describes them."""

    model_spec: ModelSpec
    metadata: dict[str, Any]


class Rest:
    """The paths under ``/v1/models/recommender``."""

    def __init__(self, live: LiveModel, batcher: Batcher, settings: ServingSettings):
        self._live, self._batcher, self._settings = live, batcher, settings
        self._room = Room(settings.max_bodies)
        # One large body or answer at a time: it takes many times its memory, and
        # threads that compute delay the one that answers everybody else.
        self._large = asyncio.Semaphore(1)

    def routes(self) -> list[BaseRoute]:
        """Without a version, the one that answers is meant."""
        return [
            route(f"{MODEL}:predict", self.predict, "POST"),
            route(f"{VERSION}:predict", self.predict, "POST"),
            route(f"{MODEL}/metadata", self.metadata, "GET"),
            route(f"{VERSION}/metadata", self.metadata, "GET"),
            route(MODEL, self.status, "GET"),
            route(VERSION, self.status, "GET"),
        ]

    async def predict(self, request: Request) -> Response:
        """Asks a signature of the model."""
        with self._room.taken() as take:
            body = await body_of(request, self._settings, take)
            is_large = len(body) > LARGE_BODY
            with self._live.held(request.path_params.get("version")) as model:
                if is_large:
                    async with self._large:
                        asked = await asyncio.to_thread(self._read, body, model)
                else:
                    asked = self._read(body, model)
                name, inputs, form = asked
                answer = await self._batcher.ask(model, name, inputs)
        if is_large or sum(value.size for value in answer.values()) > LARGE_BODY:
            async with self._large:
                told = await asyncio.to_thread(json_tensors.answer, answer, form)
        else:
            told = json_tensors.answer(answer, form)
        return Response(told, media_type=JSON)

    async def status(self, request: Request) -> Response:
        """Says which versions there are, and how they are."""
        asked = request.path_params.get("version")
        states = self._live.states
        if asked is not None and asked not in states:
            raise RequestError(
                404, f"Could not find version {asked} of model {MODEL_NAME}"
            )
        if not states:
            raise RequestError(
                404, f"Could not find any versions of model {MODEL_NAME}"
            )
        told = ModelStatus(
            [
                VersionStatus(
                    str(number),
                    state.state,
                    Status("UNKNOWN" if state.error else "OK", state.error),
                )
                for number, state in sorted(states.items(), reverse=True)
                if asked in (None, number)
            ]
        )
        return Response(msgspec.json.encode(told), media_type=JSON)

    async def metadata(self, request: Request) -> Response:
        """Describes the signatures."""
        with self._live.held(request.path_params.get("version")) as model:
            told = Metadata(
                ModelSpec(MODEL_NAME, "", str(model.number)),
                {"signature_def": {"signature_def": model.signature_defs}},
            )
        return Response(msgspec.json.encode(told), media_type=JSON)

    def _read(
        self, body: bytes, model: ModelProcess
    ) -> tuple[str, json_tensors.Tensors, json_tensors.Format]:
        """The signature's name, its inputs, and the format to answer in."""
        try:
            told = json_tensors.parse(body)
            name = told.get("signature_name", "")
            if not isinstance(name, str):
                raise RequestError(400, "'signature_name' key must be a string value.")
            name = name or "serving_default"
            return name, *json_tensors.inputs(told, model.specs(name), self._settings)
        except RecursionError:
            raise RequestError(400, "JSON Parse error: nested too deeply") from None
