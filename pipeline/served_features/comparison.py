"""Compares served lists with the training data of the version, and with others."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from components.anomaly_gate.schema import SERVED_SCHEMA, read_schema
from components.live_models import versions
from pipeline.config.sections import PipelineConfig
from pipeline.lineage import NoLineageError
from pipeline.lineage.training_data import training_data
from pipeline.recommend.user_history import Histories, files_of
from pipeline.served_features.distances import Distance, distances
from pipeline.served_features.served import SECONDS, Served, ServedLists
from pipeline.served_features.training_form import KNOWN, Row, TrainingForm
from trainer_modules import features as f

Per = Literal["hour", "day"]


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
    """

    version: int
    model: str
    period: str
    users: int
    trained_on: int
    distances: list[Distance]
    not_compared: list[str]

    @property
    def alerts(self) -> list[Distance]:
        """The distances that exceed their thresholds."""
        return [distance for distance in self.distances if distance.is_alert]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The result.

    Attributes:
        compared: The periods.
        problems: What could not be read or compared.
    """

    compared: list[Compared]
    problems: list[str]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is compared.

    Attributes:
        per: Length of a period.
        last: Number of periods of each version, the newest ones with enough users.
        min_users: Least number of users in a period: small samples always differ.
        schema: File with the comparators.
        only: Number of the version to compare; None for all.
    """

    per: Per
    last: int
    min_users: int
    schema: Path
    only: int | None = None


def wanted_by(config: PipelineConfig, per: Per | None = None, last: int = 1) -> Wanted:
    """Returns what a configuration compares.

    Args:
        config: The configuration.
        per: Length of a period instead of the configured one.
        last: Number of periods of each version.
    """
    return Wanted(
        per=per or config.retrain.served_period,
        last=last,
        min_users=config.retrain.min_served_users,
        schema=Path(config.schema.served or SERVED_SCHEMA),
    )


def compare(out: Path, wanted: Wanted) -> Comparison:
    """Compares the lists that the server of a folder of runs has logged.

    Raises:
        NoListsError: If it has logged none.
        SchemaError: If the schema cannot be read.
        VersionError: If a version cannot be read.
    """
    schema, lists = read_schema(wanted.schema), ServedLists(out, wanted.per)
    kept = {version.number: version for version in versions.versions(out / "live")}
    compared, problems = list[Compared](), lists.problems
    for number in lists.versions():
        if wanted.only not in (None, number):
            continue
        if number not in kept:
            problems.append(f"version {number} has been removed")
            continue
        periods = [
            period
            for period in reversed(lists.periods(number))
            if lists.num_users(number, period) >= wanted.min_users
        ][: wanted.last]
        if not periods:
            problems.append(
                f"version {number}: no {wanted.per} has lists of "
                f"{wanted.min_users:,} users (retrain.min_served_users)"
            )
            continue
        try:
            data = training_data(out, kept[number])
        except NoLineageError as error:
            problems.append(f"version {number} ({kept[number].model}): {error}")
            continue
        form = TrainingForm(Histories(files_of(str(data.examples))), data.kinds)
        periods_of = _Periods(kept[number], lists, form, schema, wanted)
        compared += map(periods_of.compared, reversed(periods))
    return Comparison(compared, problems)


class _Periods:
    """The periods of a version."""

    def __init__(
        self,
        version: versions.Version,
        lists: ServedLists,
        form: TrainingForm,
        schema: Schema,
        wanted: Wanted,
    ):
        self._version, self._lists, self._form = version, lists, form
        self._schema, self._wanted = schema, wanted

    def compared(self, period: int) -> Compared:
        """Returns the distances of a period."""
        number, per = self._version.number, self._wanted.per
        served = self._lists.of(number, period)
        known = [each for each in served if each.user in self._form.histories]
        found, not_compared = self._skew(served, known), list[str]()
        if len(known) < self._wanted.min_users:
            not_compared.append(
                f"skew: the training data has {len(known):,} of the users, too few"
            )
        num_before = self._lists.num_users(number, period - 1)
        if num_before >= self._wanted.min_users:
            before = self._lists.of(number, period - 1)
            rows, others = self._rows(served), self._rows(before)
            found += distances("drift", rows, others, self._form, self._schema)
        else:
            not_compared.append(
                f"drift: the {per} before has {num_before:,} users, too few"
            )
        return Compared(
            version=number,
            model=self._version.model,
            period=_name(period, per),
            users=len(served),
            trained_on=len(known),
            distances=found,
            not_compared=not_compared,
        )

    def _skew(
        self, served: Sequence[Served], known: Sequence[Served]
    ) -> list[Distance]:
        """Returns the distances from the training histories of the same users.

        Only whether the training data has a user is compared for all of them.
        """
        form, schema = self._form, self._schema
        users: list[Row] = [{f.USER_ID: row[f.USER_ID]} for row in self._rows(served)]
        found = distances("skew", users, [{f.USER_ID: [KNOWN]}], form, schema)
        if len(known) >= self._wanted.min_users:
            trained = [
                form.row(each.user, form.histories.of(each.user), each.time)
                for each in known
            ]
            more = distances("skew", self._rows(known), trained, form, schema)
            found += [each for each in more if each.feature != f.USER_ID]
        return found

    def _rows(self, lists: Sequence[Served]) -> list[Row]:
        return [self._form.row(each.user, each.history, each.at) for each in lists]


def _name(period: int, per: Per) -> str:
    start = datetime.datetime.fromtimestamp(period * SECONDS[per], datetime.UTC)
    return f"{start:%Y-%m-%dT%H:00Z}" if per == "hour" else f"{start:%Y-%m-%d}"
