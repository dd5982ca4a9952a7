"""Compares served lists with the training data of the version, and with others."""

import dataclasses
import itertools
from pathlib import Path

from components.anomaly_gate.schema import SERVED_SCHEMA, read_schema
from components.live_models import versions
from pipeline.config.sections import PipelineConfig
from pipeline.lineage import NoLineageError
from pipeline.lineage.training_data import training_data
from pipeline.list_log.redaction import UserHash
from pipeline.recommend.user_history import Histories, files_of
from pipeline.served_features.periods import Compared, Periods, Training
from pipeline.served_features.served import Per, ServedLists
from pipeline.served_features.training_form import TrainingForm


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The result.

    Attributes:
        compared: The periods.
        problems: What could not be read or compared.
        too_few: Versions without a period that has enough users, as in a small log.
    """

    compared: list[Compared]
    problems: list[str]
    too_few: list[str]


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
    known = versions.with_challengers(out / "live")
    kept = {version.number: version for version in known}
    compared, problems, too_few = list[Compared](), lists.problems, list[str]()
    for number in lists.versions():
        if wanted.only not in (None, number):
            continue
        if number not in kept:
            problems.append(f"version {number} has been removed")
            continue
        large = (
            period
            for period in reversed(lists.periods(number))
            if lists.num_users(number, period) >= wanted.min_users
        )
        periods = list(itertools.islice(large, wanted.last))
        if not periods:
            too_few.append(
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
        user_hash = UserHash.existing(out)
        by_hash = (
            {user_hash(user): user for user in form.histories} if user_hash else None
        )
        periods_of = Periods(
            kept[number], lists, Training(form, by_hash), schema, wanted.min_users
        )
        compared += map(periods_of.compared, reversed(periods))
    return Comparison(compared, problems, too_few)
