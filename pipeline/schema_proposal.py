"""Writes a schema for a person's own ratings, from the ratings and the curated one."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.anomaly_gate.schema import CURATED_SCHEMA, read_schema
from components.ratings_example_gen import inspect
from components.ratings_example_gen.files import list_files
from components.ratings_example_gen.formats import recognise
from components.ratings_example_gen.problems import NON_NUMERIC_RATING, fatal
from trainer_modules import features


def propose(path: Path, columns: Mapping[str, str]) -> str:
    """Returns a schema in text format, with comments on what to review.

    It is ``schema/ratings.pbtxt`` with the range of the ratings and the side features
    of the users that are found at ``path``.

    Args:
        path: a file or a folder of ratings.
        columns: ``user_id``, ``item_id``, ``rating``, ``timestamp`` → the column's name
            or its 0-based number; empty: recognised.

    Raises:
        BadInputError: there are no ratings that can be read.
    """
    summary = inspect(path, columns)
    if summary.rating_min is None or summary.rating_max is None:
        raise fatal(
            str(path),
            NON_NUMERIC_RATING,
            "not one rating can be read",
            f"See its first problems with: marquee data {path}",
        )
    users = recognise(list_files(str(path)), columns).users
    found = sorted(
        name
        for name, _ in (users.columns if users else ())
        if features.is_user_feature(name)
    )

    schema = read_schema(CURATED_SCHEMA)
    for feature in schema.feature:
        if feature.name in (features.RATING, features.HISTORY_RATING):
            feature.float_domain.min = summary.rating_min
            feature.float_domain.max = summary.rating_max
    kept = [
        feature
        for feature in schema.feature
        if not features.is_user_feature(feature.name)
    ]
    side = [schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in found]
    del schema.feature[:]
    schema.feature.extend([*kept, *side])

    review = [
        f"Proposed from {summary.read:,} ratings of {summary.users:,} users in {path}.",
        "",
        "Review before you use it:",
        f"- rating and history_rating: {summary.rating_min:g} to "
        f"{summary.rating_max:g} is what these ratings have. Give",
        "  the range that is allowed: a later rating outside of it stops a run.",
        "- timestamp: seconds UTC between 1990 and 2100.",
        "- side features of the users, of which one that is not listed stops a run:",
        f"  {', '.join(found) or 'none were found'}.",
        "",
        "Then: marquee run --data PATH --set schema.path=THIS_FILE",
    ]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in review)
    return f"{comments}\n{text_format.MessageToString(schema)}"
