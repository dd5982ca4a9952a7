"""Reads schemas, without TFX."""

from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer_modules import features

CURATED_SCHEMA = Path(__file__).parents[2] / "schema" / "ratings.pbtxt"
SPANS_SCHEMA = CURATED_SCHEMA.with_name("spans.pbtxt")


class SchemaError(ValueError):
    """A schema cannot be read, or lacks something that the pipeline needs."""


def read_schema(path: Path) -> schema_pb2.Schema:
    """Reads a schema in text format.

    Raises:
        SchemaError: If the file does not exist, or is not a schema.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (
        *(OSError, UnicodeDecodeError, text_format.ParseError),
        RecursionError,
    ) as error:
        raise SchemaError(
            f"Cannot read the schema {path}: {error}. To write one, run "
            "`marquee schema propose PATH`."
        ) from error


def rating_range(schema: schema_pb2.Schema) -> tuple[float, float]:
    """Returns the lowest and the highest rating that the schema allows, in stars.

    Raises:
        SchemaError: If the schema has no range for ratings.
    """
    for feature in schema.feature:
        domain = feature.float_domain
        if (
            feature.name == features.RATING
            and domain.HasField("min")
            and domain.HasField("max")
        ):
            return _as_written(domain.min), _as_written(domain.max)
    raise SchemaError(
        f'The schema has no range of ratings. Add a feature "{features.RATING}" with '
        "float_domain { min: … max: … }."
    )


def _as_written(number: float) -> float:
    """Returns a 32-bit number as it was written: 4.7, not 4.699999809265137."""
    return float(str(np.float32(number)))
