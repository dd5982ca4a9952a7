"""``/openapi.json``, made of the structs that are sent, and a page of it."""

from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    return []
