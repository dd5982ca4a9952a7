"""The distances of an hour or a day of a version."""

import dataclasses
import datetime
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from components.live_models import versions
from pipeline.list_log.redaction import FEATURES, HISTORY, KEY_FILE, USER
from pipeline.served_features.distances import Between, Distance, distances
from pipeline.served_features.served import SECONDS, Per, Served, ServedLists
from pipeline.served_features.training_form import KNOWN, Row, TrainingForm
from trainer_modules import features as f


@dataclasses.dataclass(frozen=True)
class Compared:
    """A period of a version.

    Attributes:
        version: Number of the version.
        model: Name of its model.
        period: The hour or day in UTC, in ISO 8601.
        users: Number of users with a list, each of whom counts once.
        trained_on: Number of those whom the training data has.
        distances: The distances.
        not_compared: Why some were not measured.
        too_few: Which were not measured for lack of users, as in a small log.
    """

    version: int
    model: str
    period: str
    users: int
    trained_on: int
    distances: list[Distance]
    not_compared: list[str]
    too_few: list[str]

    @property
    def alerts(self) -> list[Distance]:
        """The distances that exceed their thresholds."""
        return [distance for distance in self.distances if distance.is_alert]


class Training(NamedTuple):
    """What a version learned from.

    Attributes:
        form: The training histories and their form.
        by_hash: Hash in the log → ID of the user; None without a key.
    """

    form: TrainingForm
    by_hash: Mapping[str, str] | None


class _List(NamedTuple):
    """A list in the form of training.

    Attributes:
        user: ID of the user, or a hash that belongs to no user of training.
        time: When it was answered, in seconds UTC.
        redacted: Fields that were left out of the log or hashed.
        row: The features of the list.
    """

    user: str
    time: int
    redacted: frozenset[str]
    row: Row


class Periods:
    """The periods of a version."""

    def __init__(
        self,
        version: versions.Version,
        lists: ServedLists,
        training: Training,
        schema: Schema,
        min_users: int,
    ):
        self._version, self._lists, self._schema = version, lists, schema
        (self._form, self._by_hash), self._min_users = training, min_users
        self._made = dict[int, list[_List]]()

    def compared(self, period: int) -> Compared:
        """Returns the distances of a period."""
        served = self._of(period)
        known = [each for each in served if each.user in self._form.histories]
        found, reasons = list[Distance](), [*_redacted(served)]
        too_few = []
        if self._by_hash is None and any(USER in each.redacted for each in served):
            reasons.append(f"skew: users are hashed, and {KEY_FILE} is missing")
        else:
            found += self._skew_of_users(served)
            if len(known) >= self._min_users:
                found += self._skew(known)
            else:
                too_few.append(
                    f"skew: the training data has {len(known):,} of the users, too few"
                )
        num_before = self._lists.num_users(self._version.number, period - 1)
        if num_before >= self._min_users:
            found += self._distances("drift", served, self._of(period - 1))
        else:
            too_few.append(
                f"drift: the {self._lists.per} before has {num_before:,} users, too few"
            )
        return Compared(
            version=self._version.number,
            model=self._version.model,
            period=_name(period, self._lists.per),
            users=len(served),
            trained_on=len(known),
            distances=found,
            not_compared=reasons,
            too_few=too_few,
        )

    def _of(self, period: int) -> list[_List]:
        """Returns the newest list of each user, which the next period needs again."""
        if period not in self._made:
            self._made = {
                number: lists
                for number, lists in self._made.items()
                if number == period - 1
            }
            by_hash = self._by_hash or {}
            lists = self._lists.of(self._version.number, period)
            self._made[period] = [
                self._list(by_hash.get(each.user, each.user), each) for each in lists
            ]
        return self._made[period]

    def _list(self, user: str, served: Served) -> _List:
        row = self._form.row(user, served.history, served.at)
        return _List(user, served.time, served.redacted, row)

    def _skew_of_users(self, served: Sequence[_List]) -> list[Distance]:
        """Returns the distance that users make whom the training data lacks."""
        rows: list[Row] = [{f.USER_ID: each.row[f.USER_ID]} for each in served]
        trained: list[Row] = [{f.USER_ID: [KNOWN]}]
        return distances("skew", rows, trained, self._form, self._schema)

    def _skew(self, known: Sequence[_List]) -> list[Distance]:
        """Returns the distances from the training histories of the same users."""
        form = self._form
        trained = [
            each._replace(
                row=form.row(each.user, form.histories.of(each.user), each.time)
            )
            for each in known
        ]
        found = self._distances("skew", known, trained)
        return [distance for distance in found if distance.feature != f.USER_ID]

    def _distances(
        self, between: Between, served: Sequence[_List], others: Sequence[_List]
    ) -> list[Distance]:
        """Returns the distances of the features that no list lacks."""
        lacking = {field for each in (*served, *others) for field in each.redacted}
        hidden = set[str]()
        if HISTORY in lacking:
            hidden |= {*served[0].row} - {f.USER_ID} - self._form.side_features
        if FEATURES in lacking:
            hidden |= self._form.side_features
        rows, other_rows = (
            [_without(each.row, hidden) for each in lists] for lists in (served, others)
        )
        return distances(between, rows, other_rows, self._form, self._schema)


def _without(row: Row, hidden: Container[str]) -> Row:
    return {name: values for name, values in row.items() if name not in hidden}


def _redacted(served: Sequence[_List]) -> Iterator[str]:
    """Yields what cannot be compared because it is not in the log."""
    for field in (HISTORY, FEATURES):
        count = sum(field in each.redacted for each in served)
        if count:
            yield f"{field}: redacted in {count:,} of {len(served):,} lists"


def _name(period: int, per: Per) -> str:
    start = datetime.datetime.fromtimestamp(period * SECONDS[per], datetime.UTC)
    return f"{start:%Y-%m-%dT%H:00Z}" if per == "hour" else f"{start:%Y-%m-%d}"
