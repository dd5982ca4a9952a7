"""Renders a template as one HTML file, with its styles, scripts and charts in it."""

import base64
import hashlib
import json
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import vl_convert

from components import durable_files
from components.ratings_example_gen.input_errors import OF_ROWS
from pipeline import datasets
from pipeline.views.formatting import (
    count,
    day,
    duration,
    figure,
    gigabytes,
    inert,
    optional,
    thousands,
)

_HERE = Path(__file__).parent
_SNIPPET = "window.vegaEmbed = vegaEmbed;"  # all that report.js needs
_FILTERS: dict[str, Callable[..., object]] = {
    "duration": duration,
    "figure": figure,
    "gigabytes": gigabytes,
    "optional": optional,
    "thousands": thousands,
    "bad_rows": OF_ROWS.get,
    "count": count,
    "percent": lambda value: optional(value, "{:.2%}".format),
    "day": day,
    "pretty": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    "signed": "{:+.4f}".format,
}


def render_page(
    template: str, charts: Mapping[str, Mapping[str, object]], **values: object
) -> str:
    """Returns a page that makes no network request.

    Args:
        template: Name of the template, which extends ``layout.html.j2``.
        charts: Name of a chart in the page → Vega-Lite.
        values: What the template shows.
    """
    style = (_HERE / "report.css").read_text()
    scripts = [_vega(), (_HERE / "report.js").read_text()]
    return (
        _environment()
        .get_template(template)
        .render(
            charts=charts,
            quoted=shlex.quote,
            style=markupsafe.Markup(style),  # our own, as the scripts are
            scripts=[markupsafe.Markup(script) for script in scripts],
            policy=_policy(scripts, style),
            **values,
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
    )
    environment.filters |= _FILTERS
    return environment


def _policy(scripts: Sequence[str], style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _inert(value: Any) -> Any:
    """Escapes texts that could reorder or hide what is around them."""
    if isinstance(value, str) and not isinstance(value, markupsafe.Markup):
        return inert(value)
    return value


def _vega() -> str:
    """Returns Vega, Vega-Lite and vega-embed as one script.

    It is kept in the cache folder, as it takes seconds to make. The report is written
    even if that folder cannot be read or written to.
    """
    name = f"vega-{metadata.version('vl-convert-python')}.js"
    try:
        return (datasets.cache_folder() / name).read_text(encoding="utf-8")
    except OSError:
        # It would end the page's script; in a string, `<\/` is `</`.
        script: str = vl_convert.javascript_bundle(_SNIPPET).replace(
            "</script", r"<\/script"
        )
    try:
        folder = datasets.cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        durable_files.write(folder / name, script)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "%s cannot be kept for the next report (%s). Set MARQUEE_CACHE_DIR to a "
            "folder that is writable.",
            name,
            error,
        )
    return script


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
