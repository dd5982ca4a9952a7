"""What users did with the lists that they were shown, in figures."""

import dataclasses

from pipeline.online.rates import Rate

ALL, KNOWN, UNKNOWN = "all", "known", "unknown"  # slices of the users


@dataclasses.dataclass(frozen=True)
class Figures:
    """What some users did with the lists of a version.

    Attributes:
        users: Number of users.
        lists: Number of lists; each page counts as one.
        impressions: Number of items in them.
        clicks: Number of impressions that an event followed.
        ctr: Clicks per impression.
        clicked_lists: Share of the lists with a click.
        conversion: Share of the lists with an impression that a conversion followed;
            None if no types of events are conversions.
        ndcg: Mean nDCG of the lists with a click, for which those items are relevant.
        new_items: Share of the impressions whose item the version was not trained on;
            None if the version has been removed.
    """

    users: int
    lists: int
    impressions: int
    clicks: int
    ctr: Rate
    clicked_lists: Rate
    conversion: Rate | None
    ndcg: Rate
    new_items: Rate | None


@dataclasses.dataclass(frozen=True)
class VersionFigures:
    """What users did with the lists of a version.

    Attributes:
        version: Number of the version.
        model: Name of the model.
        state: ``live``, ``on trial``, ``kept`` or ``removed``.
        slices: ``all``, ``known`` or ``unknown`` users → their figures.
        positions: CTR at each position, from the first.
        items: Number of distinct items that were shown.
        coverage: The same as a share of the catalogue that the version was accepted
            with; None if that is not known.
    """

    version: int
    model: str
    state: str
    slices: dict[str, Figures]
    positions: list[Rate]
    items: int
    coverage: float | None


@dataclasses.dataclass(frozen=True)
class Online:
    """What users did with the lists that they were shown.

    Attributes:
        window: For how many seconds after a list an event counts.
        conversions: Types of the events that are conversions.
        not_over: Number of lists whose window is not over, which no figure has.
        not_shown: Number of lists of a shadow, or that could not be made, which no
            figure has either.
        share: Lowest share of the lists that is logged.
        damaged: Descriptions of files that could not be read.
        versions: The versions with lists, the newest last.
    """

    window: int
    conversions: list[str]
    not_over: int
    not_shown: int
    share: float
    damaged: list[str]
    versions: list[VersionFigures]

    @property
    def live(self) -> VersionFigures | None:
        """The figures of the live version, if it has any."""
        return next((each for each in self.versions if each.state == "live"), None)
