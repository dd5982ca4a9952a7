"""Proposes a schema for own ratings, from the ratings and the curated schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.anomaly_gate.schema import CURATED_SCHEMA, read_schema
from components.ratings_example_gen import Settings, inspect
from components.ratings_example_gen.input_errors import NON_NUMERIC_RATING, fatal
from components.wording import counted
from trainer_modules import features


@dataclass(frozen=True)
class Proposal:
    """A schema for some ratings.

    Attributes:
        text: The schema in text format, with comments on what to review.
        facts: The ratings that it is based on, in sentences.
    """

    text: str
    facts: tuple[str, ...]


def propose(path: Path, settings: Settings) -> Proposal:
    """Returns a schema that fits some ratings.

    It is ``schema/ratings.pbtxt`` with the range of the ratings and the users' side
    features that are found at ``path``.

    Args:
        path: A file or a folder of ratings.
        settings: How the ratings and the files of items and users are read.

    Raises:
        BadInputError: If no rating can be read.
    """
    summary = inspect(path, settings)
    if summary.rating_min is None or summary.rating_max is None:
        raise fatal(
            str(path),
            NON_NUMERIC_RATING,
            "no rating can be read",
            f"To see the first problems, run: marquee data {path}",
        )
    users = summary.users_file
    found = sorted(feature.name for feature in users.features) if users else []
    schema = _schema(summary.rating_min, summary.rating_max, found)
    facts = (
        f"Proposed from {counted(summary.kept, 'rating')} of "
        f"{counted(summary.users, 'user')} in {path}.",
        *_bad_rows(summary.read - summary.kept, path),
    )
    review = [
        *facts,
        "",
        "Review before use:",
        f"- rating and history_rating: these ratings range from {summary.rating_min:g} "
        f"to {summary.rating_max:g}. Enter",
        "  the range that is allowed: a later rating outside it stops a run.",
        "- timestamp: seconds UTC from 1990 to 2100.",
        "- side features of the users; a feature that is not listed stops a run:",
        f"  {', '.join(found) or 'none were found'}.",
        "",
        "Then: marquee run --data PATH --set schema.path=THIS_FILE",
    ]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in review)
    return Proposal(f"{comments}\n{text_format.MessageToString(schema)}", facts)


def _schema(
    rating_min: float, rating_max: float, user_features: Sequence[str]
) -> schema_pb2.Schema:
    """Returns the curated schema with another range of ratings and other features."""
    schema = read_schema(CURATED_SCHEMA)
    for feature in schema.feature:
        if feature.name in (features.RATING, features.HISTORY_RATING):
            feature.float_domain.min = rating_min
            feature.float_domain.max = rating_max
    kept = [
        feature
        for feature in schema.feature
        if not features.is_user_feature(feature.name)
    ]
    side = [
        schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in user_features
    ]
    del schema.feature[:]
    schema.feature.extend([*kept, *side])
    return schema


def _bad_rows(num_bad: int, path: Path) -> list[str]:
    if not num_bad:
        return []
    was = "was" if num_bad == 1 else "were"
    rows = counted(num_bad, "bad row")
    return [f"{rows} {was} left out. To see them, run: marquee data {path}"]
