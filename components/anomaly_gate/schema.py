"""Reads schemas, without TFX."""

from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer_modules import features

CURATED_SCHEMA = Path(__file__).parents[2] / "schema" / "ratings.pbtxt"
SPANS_SCHEMA = CURATED_SCHEMA.with_name("spans.pbtxt")


class SchemaError(ValueError):
    """A schema that cannot be read, or lacks what the pipeline needs of it."""


def read_schema(path: Path) -> schema_pb2.Schema:
    """Reads a schema in text format.

    Raises:
        SchemaError: There is no such file, or it is no schema; with its line.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (
        *(OSError, UnicodeDecodeError, text_format.ParseError),
        RecursionError,
    ) as error:
        raise SchemaError(
            f"{path} is no schema: {error}. `marquee schema propose PATH` writes one."
        ) from error


def rating_range(schema: schema_pb2.Schema) -> tuple[float, float]:
    """The lowest and the highest rating that the schema allows, in stars.

    Raises:
        SchemaError: The schema gives ratings no range.
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
        f'the schema needs a feature "{features.RATING}" with '
        "float_domain { min: … max: … }: the range of a rating"
    )


def _as_written(number: float) -> float:
    """The decimal that a 32-bit number was written as: 4.7, not 4.699999809265137."""
    return float(str(np.float32(number)))
