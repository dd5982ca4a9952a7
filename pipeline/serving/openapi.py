"""``/openapi.json``, made of the structs that are sent, and ``/docs``, a page of it.

The page has no script and asks nobody else for anything.
"""

import html
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.serving import middleware, recommend_api, tfserving_api

VERSION = "1"
REF = "#/components/schemas/{name}"
_ERRORS = {
    "400": "the request is not what is expected",
    "401": "a bearer token is needed",
    "404": "there is no such version",
    "408": "the head or the body did not come in time",
    "413": "the body is too long, or has too many rows or items",
    "429": "too many requests are waiting; Retry-After says when to try again",
    "431": "the request's head is longer than 64 KB",
    "503": "no model is loaded, or there are too many connections",
    "504": "the model did not answer in time",
}
_OF_ANY_REQUEST = ("401", "408", "431", "503")  # too many connections are 503 as well


class Health(msgspec.Struct):
    """Whether requests are answered.

    Attributes:
        ready: Whether a model is loaded.
        version: Of it; 0 for none.
    """

    ready: bool
    version: int


def document() -> dict[str, Any]:
    """The API as OpenAPI 3.1 describes it."""
    structs = [
        middleware.Error,
        Health,
        recommend_api.RecommendedList,
        tfserving_api.PredictRequest,
        tfserving_api.Predictions,
        tfserving_api.Outputs,
        tfserving_api.ModelStatus,
        tfserving_api.Metadata,
    ]
    schemas, components = msgspec.json.schema_components(structs, ref_template=REF)
    of = dict(zip(structs, schemas, strict=True))

    def operation(told: str, answer: dict[str, Any], *errors: str) -> dict[str, Any]:
        return {
            "summary": told,
            "responses": {
                "200": {"description": "the answer", "content": answer},
                **{
                    status: {
                        "description": _ERRORS[status],
                        "content": _json(of[middleware.Error]),
                    }
                    for status in sorted({*errors, *_OF_ANY_REQUEST})
                },
            },
        }

    status = operation(
        "State of the versions", _json(of[tfserving_api.ModelStatus]), "404"
    )
    metadata = operation(
        "The signatures of the version that answers",
        _json(of[tfserving_api.Metadata]),
        "404",
    )
    either = {"oneOf": [of[tfserving_api.Predictions], of[tfserving_api.Outputs]]}
    predict = {
        **operation(
            "Asks a signature of the model, as TensorFlow Serving does",
            _json(either),
            *("400", "404", "408", "413", "429", "503", "504"),
        ),
        "requestBody": {
            "required": True,
            "content": _json(of[tfserving_api.PredictRequest]),
        },
    }
    recommend = {
        **operation(
            "The live model's list for a user, without what is rated already",
            _json(of[recommend_api.RecommendedList]),
            *("400", "429", "503", "504"),
        ),
        "parameters": [
            _parameter("user", "path", {"type": "string"}),
            _parameter(
                "k",
                "query",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": recommend_api.MOST,
                    "default": 10,
                },
            ),
            _parameter(
                "like",
                "query",
                {
                    "type": "array",
                    "items": {"type": "string"},
                    "maxItems": recommend_api.MOST_LIKES,
                },
            ),
        ],
    }
    version = [_parameter("version", "path", {"type": "integer"})]
    of_version = f"{tfserving_api.MODEL}/versions/{{version}}"
    health = operation("Whether a model is loaded", _json(of[Health]))
    health["responses"]["503"] = {
        "description": _ERRORS["503"],
        "content": _json(of[Health]),
    }
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Marquee", "version": VERSION},
        "paths": {
            "/v1/recommend/{user}": {"get": recommend},
            f"{tfserving_api.MODEL}:predict": {"post": predict},
            f"{of_version}:predict": {"parameters": version, "post": predict},
            tfserving_api.MODEL: {"get": status},
            of_version: {"parameters": version, "get": status},
            f"{tfserving_api.MODEL}/metadata": {"get": metadata},
            f"{of_version}/metadata": {"parameters": version, "get": metadata},
            "/healthz": {"get": {**health, "security": []}},
            "/metrics": {"get": operation("Counts for Prometheus", text)},
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {middleware.JSON: {"schema": schema}}


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def page(told: dict[str, Any]) -> str:
    """The document for a person."""
    parts = []
    for path, operations in told["paths"].items():
        for method in ("get", "post"):
            if method not in operations:
                continue
            operation = operations[method]
            answers = "".join(
                f"<tr><td>{status}<td>{html.escape(answer['description'])}"
                for status, answer in operation["responses"].items()
            )
            asked = operation.get("parameters", []) + operations.get("parameters", [])
            names = ", ".join(parameter["name"] for parameter in asked)
            parts.append(
                f"<h2>{method.upper()} <code>{html.escape(path)}</code></h2>"
                f"<p>{html.escape(operation['summary'])}</p>"
                + (f"<p>Parameters: {html.escape(names)}</p>" if names else "")
                + f"<table><tr><th>status<th>when{answers}</table>"
            )
    for name, schema in told["components"]["schemas"].items():
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


def routes() -> list[BaseRoute]:
    """Both, made once."""
    told = document()
    document_body, page_body = msgspec.json.encode(told), page(told)

    async def show_document(_: Request) -> Response:
        return Response(document_body, media_type=middleware.JSON)

    async def show_page(_: Request) -> Response:
        policy = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"
        }
        return Response(page_body, headers=policy, media_type="text/html")

    return [
        middleware.route("/openapi.json", show_document, "GET"),
        middleware.route("/docs", show_page, "GET"),
    ]
