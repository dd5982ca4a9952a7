"""Reads schemas, without TFX."""

import re
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer_modules import features

CURATED_SCHEMA = Path(__file__).parents[2] / "schema" / "ratings.pbtxt"
SPANS_SCHEMA = CURATED_SCHEMA.with_name("spans.pbtxt")
SERVED_SCHEMA = CURATED_SCHEMA.with_name("served.pbtxt")
# Buckets of features without a tag: deciles, and as many as there are frequent words.
BUCKETS = {features.NUMERIC: 10, features.TIME: 10, features.TEXT: 1000}
TIME_TAG = "time"
WEIGHTS_TAG = "weights"
_TAG = re.compile(r"buckets:([1-9]\d{0,5})")


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


def feature_kinds(schema: schema_pb2.Schema) -> dict[str, features.Kind]:
    """Returns the side features of items and users that are not categories.

    A feature of the type FLOAT is numeric or, with the tag ``time`` in its annotation,
    a time (TFDV allows ``time_domain`` for other types only); one with a
    ``value_count`` of more than 1 is a vector of this length. One with a
    ``natural_language_domain`` is text. A tag ``buckets:20`` is the number of their
    buckets; any other feature with such a tag is hashed. A feature of the type BYTES
    with the tag ``weights`` is a category with weights.

    Raises:
        SchemaError: If a feature has another type, or another tag.
    """
    found = {}
    for feature in schema.feature:
        name = feature.name
        if not (features.is_user_feature(name) or features.is_item_feature(name)):
            continue
        if feature.type not in (schema_pb2.FLOAT, schema_pb2.BYTES):
            raise SchemaError(
                f'The schema\'s feature "{name}" is neither FLOAT, for numbers and '
                "times, nor BYTES, for categories and texts. Correct its type."
            )
        if length := _length(feature):
            found[name] = features.Kind(features.VECTOR, length)
            continue
        if WEIGHTS_TAG in feature.annotation.tag:
            _check_weighted(feature)
            found[name] = features.Kind(features.WEIGHTED, 0)
            continue
        kind = features.HASHED
        if feature.type == schema_pb2.FLOAT:
            is_time = TIME_TAG in feature.annotation.tag
            kind = features.TIME if is_time else features.NUMERIC
        elif feature.HasField("natural_language_domain"):
            kind = features.TEXT
        if buckets := _buckets(feature) or BUCKETS.get(kind):
            found[name] = features.Kind(kind, buckets)
    return found


def _length(feature: schema_pb2.Feature) -> int | None:
    """Returns the length of vectors; None if the feature is of another kind.

    Raises:
        SchemaError: If it declares vectors in another way than by their length.
    """
    least, most = feature.value_count.min, feature.value_count.max
    is_fixed = feature.HasField("shape")
    if feature.type != schema_pb2.FLOAT or not (is_fixed or max(least, most) > 1):
        return None
    if is_fixed or least != most or feature.annotation.tag:
        raise SchemaError(
            f'The schema\'s feature "{feature.name}" has several numbers, but is not '
            "declared as vectors of one length, which may be missing. Write "
            "value_count { min: 64 max: 64 } without a shape or a tag, for a length of "
            "64."
        )
    return int(most)


def _check_weighted(feature: schema_pb2.Feature) -> None:
    """Checks that a feature with the tag ``weights`` is a category, without buckets.

    Raises:
        SchemaError: If it is not.
    """
    is_text = feature.HasField("natural_language_domain")
    is_category = feature.type == schema_pb2.BYTES and not is_text
    if not is_category or len(feature.annotation.tag) > 1:
        raise SchemaError(
            f'The schema\'s feature "{feature.name}" has the tag "{WEIGHTS_TAG}", '
            "which only a category can have, and no tag beside it. Remove the tag, or "
            "write type: BYTES."
        )


def _buckets(feature: schema_pb2.Feature) -> int | None:
    """Returns the number of buckets in the tags; None if there is none."""
    number = None
    for tag in feature.annotation.tag:
        if tag == TIME_TAG and feature.type == schema_pb2.FLOAT:
            continue
        match = _TAG.fullmatch(tag)
        if not match:
            raise SchemaError(
                f'The schema\'s feature "{feature.name}" has the unknown tag "{tag}". '
                'Write the number of buckets, as in "buckets:20"; for a time of the '
                f'type FLOAT "{TIME_TAG}"; for categories with weights "{WEIGHTS_TAG}".'
            )
        number = int(match[1])
    return number


def _as_written(number: float) -> float:
    """Returns a 32-bit number as it was written: 4.7, not 4.699999809265137."""
    return float(str(np.float32(number)))
