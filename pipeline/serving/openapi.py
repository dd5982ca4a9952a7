"""``/openapi.json``, generated from the structs that are sent, and ``/docs``, a page.

The page has no script and makes no network requests.
"""

import functools
import html
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipeline.event_log.expected import Event
from pipeline.recommend.similar_items import SimilarList
from pipeline.serving import events_api, middleware, recommend_api, tfserving_api
from pipeline.serving.recommended_list import RecommendedList

VERSION = "1"
REF = "#/components/schemas/{name}"
_ERRORS = {
    "400": "the request is malformed",
    "401": "a bearer token is needed",
    "404": "there is no such version or item, or the server takes no events",
    "408": "reading the head or the body timed out",
    "410": "the list that a cursor continues has changed",
    "413": "the body is too long, or has too many rows, items or events",
    "429": "too many requests are waiting; Retry-After names the time to try again",
    "431": "the request's head is longer than 64 KB",
    "503": "no model is loaded, or there are too many connections",
    "504": "the model did not answer in time",
}
_OF_ANY_REQUEST = ("401", "408", "431", "503")  # 503 for too many connections
_Object = dict[str, Any]  # of an OpenAPI document
_Schemas = Mapping[Any, _Object]  # struct → its schema


class Health(msgspec.Struct):
    """Whether requests are answered.

    Attributes:
        ready: Whether a model is loaded, and its ratings have been read or cannot be.
        version: Number of its version; 0 if there is none.
    """

    ready: bool
    version: int


def document() -> _Object:
    """Returns the description of the API as OpenAPI 3.1."""
    structs = [
        middleware.Error,
        Health,
        RecommendedList,
        SimilarList,
        Event,
        events_api.Events,
        events_api.Received,
        tfserving_api.PredictRequest,
        tfserving_api.Predictions,
        tfserving_api.Outputs,
        tfserving_api.ModelStatus,
        tfserving_api.Metadata,
    ]
    schemas, components = msgspec.json.schema_components(structs, ref_template=REF)
    schema_of = dict(zip(structs, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marquee", "version": VERSION},
        "paths": {
            **_list_paths(schema_of),
            **_event_paths(schema_of),
            **_model_paths(schema_of),
            **_service_paths(schema_of),
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _list_paths(schema_of: _Schemas) -> _Object:
    limits = {"type": "integer", "minimum": 1, "maximum": recommend_api.MAX_ITEMS}
    likes = {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": recommend_api.MAX_LIKES,
    }
    recommend = {
        **_operation(
            "The live model's list for a user, without what is not recommended again",
            _json(schema_of[RecommendedList]),
            schema_of,
            ("400", "410", "429", "503", "504"),
        ),
        "parameters": [
            _parameter("user", "path", {"type": "string"}),
            _parameter("k", "query", {**limits, "default": 10}),
            _parameter("like", "query", likes),
            _parameter("at", "query", {"type": "string", "format": "date-time"}),
            _parameter("cursor", "query", {"type": "string"}),
            _parameter("why", "query", {"type": "boolean", "default": False}),
            _parameter("exclude", "query", _texts(recommend_api.MAX_EXCLUDED)),
            _parameter("filter", "query", _texts(recommend_api.MAX_FILTERS)),
            _parameter("age", "query", {"type": "number", "minimum": 0}),
        ],
    }
    similar = {
        **_operation(
            "The items that are similar to one, by the live model or the likes",
            _json(schema_of[SimilarList]),
            schema_of,
            ("400", "404", "429", "503", "504"),
        ),
        "parameters": [
            _parameter("item", "path", {"type": "string"}),
            _parameter("k", "query", {**limits, "default": 10}),
        ],
    }
    return {
        "/v1/recommend/{user}": {"get": recommend},
        "/v1/similar/{item}": {"get": similar},
    }


def _event_paths(schema_of: _Schemas) -> _Object:
    either = [schema_of[Event], schema_of[events_api.Events]]
    operation = {
        **_operation(
            "Takes what users did: all events of the request, or none",
            _json(schema_of[events_api.Received]),
            schema_of,
            ("400", "404", "408", "413", "429", "503"),
        ),
        "requestBody": {"required": True, "content": _json({"oneOf": either})},
    }
    return {"/v1/events": {"post": operation}}


def _texts(most: int) -> _Object:
    return {"type": "array", "items": {"type": "string"}, "maxItems": most}


def _model_paths(schema_of: _Schemas) -> _Object:
    either = [schema_of[tfserving_api.Predictions], schema_of[tfserving_api.Outputs]]
    predict = {
        **_operation(
            "Evaluates a signature of the model, as TensorFlow Serving does",
            _json({"oneOf": either}),
            schema_of,
            ("400", "404", "408", "413", "429", "503", "504"),
        ),
        "requestBody": {
            "required": True,
            "content": _json(schema_of[tfserving_api.PredictRequest]),
        },
    }
    status = _operation(
        "States of the versions",
        _json(schema_of[tfserving_api.ModelStatus]),
        schema_of,
        ("404",),
    )
    metadata = _operation(
        "Signatures of the served version",
        _json(schema_of[tfserving_api.Metadata]),
        schema_of,
        ("404",),
    )
    version = [_parameter("version", "path", {"type": "integer"})]
    of_version = f"{tfserving_api.MODEL}/versions/{{version}}"
    return {
        f"{tfserving_api.MODEL}:predict": {"post": predict},
        f"{of_version}:predict": {"parameters": version, "post": predict},
        tfserving_api.MODEL: {"get": status},
        of_version: {"parameters": version, "get": status},
        f"{tfserving_api.MODEL}/metadata": {"get": metadata},
        f"{of_version}/metadata": {"parameters": version, "get": metadata},
    }


def _service_paths(schema_of: _Schemas) -> _Object:
    content = _json(schema_of[Health])
    health = _operation("Whether a model is loaded", content, schema_of)
    health["responses"]["503"] = {"description": _ERRORS["503"], "content": content}
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/healthz": {"get": {**health, "security": []}},
        "/metrics": {"get": _operation("Metrics for Prometheus", text, schema_of)},
    }


def _operation(
    summary: str,
    content: _Object,
    schema_of: _Schemas,
    errors: tuple[str, ...] = (),
) -> _Object:
    """Returns a method of a path, with its errors and those of any request."""
    error = _json(schema_of[middleware.Error])
    refused = {
        status: {"description": _ERRORS[status], "content": error}
        for status in sorted({*errors, *_OF_ANY_REQUEST})
    }
    return {
        "summary": summary,
        "responses": {"200": {"description": "success", "content": content}, **refused},
    }


def _json(schema: _Object) -> _Object:
    return {middleware.JSON: {"schema": schema}}


def _parameter(name: str, place: str, schema: _Object) -> _Object:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def page(document: _Object) -> str:
    """Returns the document as an HTML page."""
    parts = []
    for path, operations in document["paths"].items():
        for method in ("get", "post"):
            if method not in operations:
                continue
            operation = operations[method]
            answers = "".join(
                f"<tr><td>{status}<td>{html.escape(answer['description'])}"
                for status, answer in operation["responses"].items()
            )
            parameters = operation.get("parameters", []) + operations.get(
                "parameters", []
            )
            names = ", ".join(parameter["name"] for parameter in parameters)
            parts.append(
                f"<h2>{method.upper()} <code>{html.escape(path)}</code></h2>"
                f"<p>{html.escape(operation['summary'])}</p>"
                + (f"<p>Parameters: {html.escape(names)}</p>" if names else "")
                + f"<table><tr><th>status<th>when{answers}</table>"
            )
    for name, schema in document["components"]["schemas"].items():
        shown = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        parts.append(
            f"<h2 id={name}>{name}</h2><pre>{html.escape(shown, quote=False)}</pre>"
        )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Marquee's API</title>"
        "<style>:root{color-scheme:light dark}body{font:16px system-ui;margin:auto;"
        "max-width:50em;padding:1em}pre{overflow:auto}td,th{text-align:left;"
        "padding-right:1em}</style><h1>Marquee's API</h1>"
        "<p>For programs: <a href=openapi.json>openapi.json</a>.</p>" + "".join(parts)
    )


@functools.cache
def _document_and_page() -> tuple[bytes, str]:
    content = document()
    return msgspec.json.encode(content), page(content)


async def show_document(_: Request) -> Response:
    """Returns the OpenAPI document."""
    return Response(_document_and_page()[0], media_type=middleware.JSON)


async def show_page(_: Request) -> Response:
    """Returns the page."""
    policy = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"
    }
    return Response(_document_and_page()[1], headers=policy, media_type="text/html")
