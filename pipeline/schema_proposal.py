"""Proposes a schema for own ratings, from the ratings and the curated schema."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.anomaly_gate.schema import CURATED_SCHEMA, TIME_TAG, read_schema
from components.ratings_example_gen import Settings, inspect
from components.ratings_example_gen.input_errors import NON_NUMERIC_RATING, fatal
from components.ratings_example_gen.side_files.summary import FeatureSummary
from components.wording import counted
from trainer_modules import features
from trainer_modules.configs.types import LARGEST
from trainer_modules.features import CATEGORY, NUMERIC, TEXT, TIME, VECTOR

_TYPES = dict.fromkeys((NUMERIC, TIME, VECTOR), schema_pb2.FLOAT)
_ON_KINDS = (
    "- FLOAT is a number or, with the tag time, a time, divided into 10 buckets with",
    "  equally many items or users; natural_language_domain is text, whose words are",
    '  hashed into 1,000 buckets; annotation { tag: "buckets:20" } is another number.',
    "  FLOAT with value_count { min: 64 max: 64 } is a vector of 64 numbers.",
    "  Other features are categories, as are those of the items that are not listed:",
)
_KINDS = {
    NUMERIC: "a number",
    TIME: "a time",
    TEXT: "text",
    VECTOR: "a vector",
    CATEGORY: "a category",
}


@dataclass(frozen=True)
class Proposal:
    """A schema for some ratings.

    Attributes:
        text: The schema in text format, with comments on what to review.
        facts: The ratings that it is based on, in sentences.
    """

    text: str
    facts: tuple[str, ...]


def propose(path: Path | str, settings: Settings, place: str | None = None) -> Proposal:
    """Returns a schema that fits some ratings.

    It is ``schema/ratings.pbtxt`` with the range of the ratings, the users' side
    features, and the items' numbers, times and texts that are found at ``path``.

    Args:
        path: A file or a folder of ratings; text in an object store.
        settings: How the ratings and the files of items and users are read.
        place: Where the ratings are, for messages; by default the path.

    Raises:
        BadInputError: If no rating can be read.
    """
    summary = inspect(path, settings)
    place = place or str(path)
    if summary.rating_min is None or summary.rating_max is None:
        raise fatal(
            place,
            NON_NUMERIC_RATING,
            "no rating can be read",
            f"To see the first problems, run: marquee data {place}",
        )
    users, items = (
        sorted(file.features, key=lambda feature: feature.name) if file else []
        for file in (summary.users_file, summary.items_file)
    )
    low, high = summary.rating_min, summary.rating_max
    types: list[str] = []
    scale = [
        f"these ratings range from {low:g} to {high:g}. Enter",
        "  the range that is allowed: a later rating outside it stops a run.",
    ]
    if settings.events:
        low, high = -LARGEST, LARGEST
        types = [features.EVENT_TYPE, features.HISTORY_EVENT_TYPE]
        scale = ["weights of events, which the configuration decides."]
    kinds = dict.fromkeys(types, CATEGORY) | {
        feature.name: feature.kind
        for feature in (*users, *items)
        if feature in users or feature.kind != CATEGORY
    }
    lengths = {feature.name: feature.length for feature in (*users, *items)}
    schema = _schema(low, high, kinds, lengths)
    facts = (
        f"Proposed from {counted(summary.kept, 'rating')} of "
        f"{counted(summary.users, 'user')} in {place}.",
        *_bad_rows(summary.read - summary.kept, place),
    )
    review = [
        *facts,
        "",
        "Review before use:",
        f"- rating and history_rating: {scale[0]}",
        *scale[1:],
        "- timestamp: seconds UTC from 1990 to 2100.",
        "- side features of the users; a feature that is not listed stops a run:",
        f"  {_names(users)}.",
        *_review_features([*users, *items]),
        "",
        "Then: marquee run --data PATH --set schema.path=THIS_FILE",
    ]
    review[-1] += _leaving_out([*users, *items])
    comments = "".join(f"# {line}".rstrip() + "\n" for line in review)
    return Proposal(f"{comments}\n{text_format.MessageToString(schema)}", facts)


def _names(found: Sequence[FeatureSummary]) -> str:
    return ", ".join(feature.name for feature in found) or "none were found"


def _review_features(found: Sequence[FeatureSummary]) -> Iterator[str]:
    """Yields the evidence for each feature's kind, and what is odd about columns."""
    decided = [feature for feature in found if feature.evidence]
    if decided:
        yield from _ON_KINDS
    for feature in decided:
        yield f"  {feature.name} is {_KINDS[feature.kind]}: {feature.evidence}."
    odd = [feature for feature in found if feature.oddity]
    if odd:
        yield "- of little use; the command below leaves them out:"
    for feature in odd:
        yield f"  {feature.name}: {feature.oddity}."


def _leaving_out(found: Sequence[FeatureSummary]) -> str:
    """Returns the setting that leaves out the features that are of little use."""
    names = [feature.name for feature in found if feature.oddity]
    return f" --set vocabulary.leave_out=[{','.join(names)}]" if names else ""


def _schema(
    rating_min: float,
    rating_max: float,
    kinds: Mapping[str, str],
    lengths: Mapping[str, int | None],
) -> schema_pb2.Schema:
    """Returns the curated schema with another range of ratings and other features.

    Args:
        rating_min: Lowest rating.
        rating_max: Highest rating.
        kinds: Feature → kind, in place of MovieLens's features of users.
        lengths: Feature → number of values that each row has.
    """
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
        schema_pb2.Feature(name=name, type=_TYPES.get(kind, schema_pb2.BYTES))
        for name, kind in kinds.items()
    ]
    for feature in side:
        if kinds[feature.name] == TEXT:
            feature.natural_language_domain.SetInParent()
        elif kinds[feature.name] == TIME:
            feature.annotation.tag.append(TIME_TAG)
        elif kinds[feature.name] == VECTOR:
            feature.value_count.min = feature.value_count.max = lengths[feature.name]
    del schema.feature[:]
    schema.feature.extend([*kept, *side])
    return schema


def _bad_rows(num_bad: int, place: str) -> list[str]:
    if not num_bad:
        return []
    was = "was" if num_bad == 1 else "were"
    rows = counted(num_bad, "bad row")
    return [f"{rows} {was} left out. To see them, run: marquee data {place}"]
