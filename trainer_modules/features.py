"""The names of features and splits, and the reserved indices; spelt only here.

Raw Examples (one per user, written by ``components/ratings_example_gen``):

=====================  =====  ======================================================
``user_id``            bytes  [1]
``item_id``            bytes  [N] time-ordered; in ``train`` the user's ratings, in
                              ``eval`` and ``test`` the targets to predict
``rating``             float  [N] stars; 1.0 where the log has no rating; the weights
                              of events, below 0 for dislikes and 0 for context
``timestamp``          int64  [N] seconds UTC; absent where the log has none
``event_type``         bytes  [N] types of events; absent where none are configured
``history_item_id`` …         [H] ``eval`` and ``test`` only: the user's ratings in all
                              earlier splits, time-ordered
``user_<name>``        bytes  [0..n] side features of the user; float [0..1]
                              if they are numbers or times, [D] or none if they are
                              vectors
=====================  =====  ======================================================

Transformed Examples carry ``<name>_index`` int64 features instead of ids
(0 padding, 1 unknown, known values from 2 by falling frequency), ``label`` (1 liked, 0
disliked, -1 neither: left out of training and judging), and the ``rating`` and the
``timestamp`` themselves. With types of events, or if a user has several rows of an
item, ``judged`` is 1 for the targets of ``eval`` and ``test``, and ``history_left_out``
is 1 for the row that keeps an item out of lists (``left_out.py``), else 0.
A vector is ``<name>_vector``, float [D], scaled; zeros if it is missing. Categories
with weights have these in ``<name>_weight``, float [n].

This module imports nothing slow, so that Beam workers can import it at no cost.
"""

from collections.abc import Mapping
from typing import NamedTuple

USER_ID = "user_id"
ITEM_ID = "item_id"
RATING = "rating"
TIMESTAMP = "timestamp"
EVENT_TYPE = "event_type"
HISTORY_PREFIX = "history_"
HISTORY_ITEM_ID = HISTORY_PREFIX + ITEM_ID
HISTORY_RATING = HISTORY_PREFIX + RATING
HISTORY_TIMESTAMP = HISTORY_PREFIX + TIMESTAMP
HISTORY_EVENT_TYPE = HISTORY_PREFIX + EVENT_TYPE
CANDIDATE_ITEM_ID = "candidate_item_id"
USER_FEATURES = "user_features"  # "name=value", an input of ``recommend``

USER_FEATURE_PREFIX = "user_"
ITEM_FEATURE_PREFIX = "item_"

USER_INDEX = "user_index"
ITEM_INDEX = "item_index"
HISTORY_ITEM_INDEX = HISTORY_PREFIX + ITEM_INDEX
LABEL = "label"
LIKED, DISLIKED, NEITHER = 1, 0, -1
HISTORY_LABEL = HISTORY_PREFIX + LABEL
JUDGED = "judged"
HISTORY_LEFT_OUT = HISTORY_PREFIX + "left_out"
HISTORY_AGAIN_FROM = HISTORY_PREFIX + "again_from"  # in batches: seconds UTC
EXCLUDE_ITEM_ID = "exclude_item_id"  # inputs of ``recommend``
FILTER = "filter"
AGE = "age"  # in batches: of the users, [B]; in ``user_features``: "age=12"
EXCLUDED_ITEM_INDEX = "excluded_item_index"  # items that a request's list lacks, [B, X]
IS_LISTED = "is_listed"  # whether rules let lists contain each item with a row, [V - 2]
REQUEST_TIMESTAMP = "request_timestamp"  # an input of ``recommend``
CONTEXT = "context"  # in batches: the values of the fields of a time
HOUR, WEEKDAY = "hour", "weekday"  # these fields
WEIGHT = "weight"  # in batches: how much a row counts in the loss
HISTORY_WEIGHT = HISTORY_PREFIX + WEIGHT  # only if events differ in their weights

USER_VOCABULARY = "user_id"
ITEM_VOCABULARY = "item_id"
USER_FEATURE_VOCABULARY = "user_feature"

# Kinds of side features; the values of most become buckets.
CATEGORY = "category"
NUMERIC = "numeric"  # numbers, by quantiles
TIME = "time"  # days since 1970, by quantiles
TEXT = "text"  # words, by a hash
HASHED = "hashed"  # ids, by a hash
WEIGHTED = "weighted"  # categories with weights, without buckets
# Without buckets: models project its numbers to an embedding.
VECTOR = "vector"

CATALOGUE_FILE = "catalogue.parquet"  # in the artifact of CatalogueGen
CARD_FILE = "assets.extra/marquee.json"  # in an exported model
# In a live model's folder too: statistics of the newest span that it learned from.
SPAN_STATISTICS_FILE = "assets.extra/span_statistics.pb"

PADDING_INDEX = 0
UNKNOWN_INDEX = 1
NUM_RESERVED = 2

TRAIN_SPLIT = "train"
EVAL_SPLIT = "eval"
TEST_SPLIT = "test"
SPLITS = (TRAIN_SPLIT, EVAL_SPLIT, TEST_SPLIT)


class Kind(NamedTuple):
    """What the values of a side feature mean, if they are not categories.

    Attributes:
        name: ``NUMERIC``, ``TIME``, ``TEXT``, ``HASHED``, ``VECTOR`` or ``WEIGHTED``.
        size: Number of buckets that the values are divided into, or of the numbers of a
            vector; 0 without buckets.
    """

    name: str
    size: int

    @property
    def has_numbers(self) -> bool:
        """Whether the values are numbers."""
        return self.name in (NUMERIC, TIME, VECTOR)

    @property
    def is_vector(self) -> bool:
        """Whether each value is a vector, which has no buckets."""
        return self.name == VECTOR

    @property
    def is_weighted(self) -> bool:
        """Whether the values are categories with weights, as in "Drama:0.2"."""
        return self.name == WEIGHTED

    def as_texts(self) -> dict[str, str]:
        """Returns the kind as metadata of a column."""
        return {key: str(value) for key, value in self._asdict().items()}

    @classmethod
    def of_texts(cls, metadata: Mapping[bytes, bytes]) -> "Kind | None":
        """Returns the kind in the metadata of a column; None for a category."""
        if b"size" not in metadata:
            return None
        return cls(metadata[b"name"].decode(), int(metadata[b"size"]))


def is_user_feature(name: str) -> bool:
    """Returns whether a feature is a side feature of users, such as ``user_gender``."""
    return name.startswith(USER_FEATURE_PREFIX) and name != USER_ID


def is_item_feature(name: str) -> bool:
    """Returns whether a feature is a side feature of items, such as ``item_genres``."""
    return name.startswith(ITEM_FEATURE_PREFIX) and name != ITEM_ID


def index_of(name: str) -> str:
    """Returns the name of the transformed feature with a side feature's indices."""
    return f"{name}_index"


def vector_of(name: str) -> str:
    """Returns the name of the transformed feature with a side feature's vector."""
    return f"{name}_vector"


def weight_of(name: str) -> str:
    """Returns the name of the feature with the weights of a side feature's values."""
    return f"{name}_weight"


def field_of(transformed: str) -> str:
    """Returns the field that a transformed feature belongs to; weights are not one."""
    suffix = weight_of("")
    if transformed.endswith(suffix):
        return index_of(transformed.removesuffix(suffix))
    return transformed
