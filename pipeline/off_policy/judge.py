"""Estimates what a model would earn in the places that were drawn."""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.off_policy import estimators
from pipeline.off_policy.candidate import Candidate, Filling, logged_filling
from pipeline.off_policy.drawn_lists import NoDrawnListsError, ShownList, read_lists
from pipeline.off_policy.estimators import Floats
from pipeline.off_policy.followed import Impressions
from pipeline.off_policy.overlap import overlap
from pipeline.off_policy.result import Judged, OffPolicy
from pipeline.off_policy.reward_model import features, predict
from pipeline.off_policy.subject import Subject
from pipeline.recommend.user_history import SignatureError

LISTS = 1_000  # for which a candidate's items are found at once
NOT_DRAWN = "without drawn places"
LATER_PAGE = "later pages, of which the log lacks the items before"
REDACTED = "without the inputs of the model, which were not logged (--redact)"
OLDER = "so old that the model may have been trained on what followed"
NOT_OVER = "whose time for events is not over"


@dataclasses.dataclass
class _Places:
    """The drawn places, in the order of the log; a list or an array has N members."""

    user: list[str] = dataclasses.field(default_factory=list)
    number: list[int] = dataclasses.field(default_factory=list)
    probability: list[float] = dataclasses.field(default_factory=list)
    position: list[int] = dataclasses.field(default_factory=list)
    num_history: list[int] = dataclasses.field(default_factory=list)
    shown: list[int] = dataclasses.field(default_factory=list)
    logged: list[Filling] = dataclasses.field(default_factory=list)
    logged_by: set[int] = dataclasses.field(default_factory=set)

    def add(self, shown: ShownList, numbers: Sequence[int]) -> None:
        """Adds the drawn places of a list, with the numbers of their impressions."""
        places = len(shown.drawn)
        self.user += [shown.user] * places
        self.number += numbers
        self.probability += [shown.probability] * places
        self.position += range(len(shown.head), len(shown.head) + places)
        self.num_history += [len(shown.history.items)] * places
        self.shown += map(shown.pool.index, shown.drawn)
        self.logged.append(logged_filling(shown))
        self.logged_by.add(shown.version)


class _Candidate:
    """A model that is loaded when there are lists, and what it would have shown.

    Attributes:
        fillings: What it would have shown in each list.
        problem: Why there are none; None if there are.
    """

    def __init__(self, folder: Path, threads: int):
        self._folder, self._threads = folder, threads
        self._model: Candidate | None = None
        self.fillings: list[Filling] = []
        self.problem: SignatureError | None = None

    def add(self, lists: Sequence[ShownList]) -> None:
        """Adds lists."""
        if self.problem:
            return
        try:
            self._model = self._model or Candidate(self._folder, self._threads)
            self.fillings += self._model.fillings(lists)
        except SignatureError as error:
            self.problem = error


def judge(
    out: Path, subject: Subject, window: int, threads: int, now: float
) -> OffPolicy:
    """Estimates what a model would earn in the drawn places of the logged lists.

    Args:
        out: Folder of the runs, whose server has logged lists and received events.
        subject: The model.
        window: For how many seconds after a list an event counts.
        threads: Number of threads that one call of the model may use.
        now: The present time, in seconds UTC.

    Raises:
        NoListsError: If no list has been logged.
        NoDrawnListsError: If none of them can be used.
        EventStoreError: If there are no events.
        SignatureError: If another release exported the model with other inputs.
    """
    [found] = judge_all(out, [subject], window, threads, now)
    if isinstance(found, SignatureError):
        raise found
    return found


def judge_all(
    out: Path, subjects: Sequence[Subject], window: int, threads: int, now: float
) -> list[OffPolicy | SignatureError]:
    """Estimates what models would earn, by the lists that count for all of them.

    The log is read once, so that all models are in memory.

    Args:
        out: Folder of the runs, whose server has logged lists and received events.
        subjects: The models.
        window: For how many seconds after a list an event counts.
        threads: Number of threads that one call of a model may use.
        now: The present time, in seconds UTC.

    Returns:
        The estimates of each model, or why it cannot be called.

    Raises:
        NoListsError: If no list has been logged.
        NoDrawnListsError: If none of them can be used.
        EventStoreError: If there are no events.
    """
    skipped, damaged = collections.Counter[str](), list[str]()
    impressions, places = Impressions(), _Places()
    logged = read_lists(out, damaged)
    since = max(subject.since for subject in subjects)
    lists = _usable(logged, since, now - window, impressions, skipped)
    candidates = [_Candidate(subject.folder, threads) for subject in subjects]
    while some := list(itertools.islice(lists, LISTS)):
        for shown, numbers in some:
            places.add(shown, numbers)
        for candidate in candidates:
            candidate.add([shown for shown, _ in some])
    if not places.logged:
        raise _nothing(out, skipped, damaged)
    followed = impressions.followed(out, window)
    found: list[OffPolicy | SignatureError] = []
    for subject, candidate in zip(subjects, candidates, strict=True):
        if candidate.problem:
            found.append(candidate.problem)
            continue
        fillings = candidate.fillings
        judged = _judged(subject, window, places, fillings, followed, dict(skipped))
        found.append(dataclasses.replace(judged, damaged=damaged))
    return found


def _usable(
    lists: Iterable[ShownList | None],
    since: float,
    end: float,
    impressions: Impressions,
    skipped: collections.Counter[str],
) -> Iterator[tuple[ShownList, list[int]]]:
    """Yields lists that can be used, with the numbers of their drawn impressions."""
    for shown in lists:
        if shown is None:
            skipped[REDACTED] += 1
            continue
        numbers = impressions.add(shown)
        if not shown.pool:
            skipped[NOT_DRAWN] += 1
        elif shown.start:
            skipped[LATER_PAGE] += 1
        elif shown.second < since:
            skipped[OLDER] += 1
        elif shown.second > end:
            skipped[NOT_OVER] += 1
        else:
            yield shown, numbers


def _nothing(
    out: Path, skipped: collections.Counter[str], damaged: Sequence[str]
) -> NoDrawnListsError:
    reasons = "; ".join(f"{number:,} {reason}" for reason, number in skipped.items())
    text = (
        f"No list in {out} has places that can be used: {reasons or 'none was shown'}."
    )
    if set(skipped) <= {NOT_DRAWN}:
        text += " 'marquee serve --log-lists 1 --explore 3/20' draws places at random."
    return NoDrawnListsError("\n".join([text, *damaged]))


def _judged(
    subject: Subject,
    window: int,
    places: _Places,
    fillings: Sequence[Filling],
    followed: np.ndarray,
    skipped: dict[str, int],
) -> OffPolicy:
    _, user = np.unique(places.user, return_inverse=True)
    reward = followed[places.number].astype(float)
    logged, of_logged = _judged_filling(places, user, reward, places.logged)
    candidate, of_candidate = _judged_filling(places, user, reward, fillings)
    difference = None
    if not logged.problem and not candidate.problem:
        difference = estimators.mean(user, of_candidate - of_logged)
    return OffPolicy(
        version=subject.version,
        model=subject.model,
        logged_by=sorted(places.logged_by),
        window=window,
        lists=len(places.logged),
        skipped=skipped,
        drawn=estimators.mean(user, reward),
        logged=logged,
        candidate=candidate,
        difference=difference,
    )


def _judged_filling(
    places: _Places, user: np.ndarray, reward: Floats, fillings: Sequence[Filling]
) -> tuple[Judged, Floats]:
    """Returns the estimates of a policy, and the doubly robust terms of each place."""
    chosen = np.array([rank for filling in fillings for rank in filling.ranks])
    is_covered = [is_in for filling in fillings for is_in in filling.is_in_pool]
    shown = np.array(places.shown)
    weight = (chosen == shown) / np.array(places.probability)
    of_shown, of_chosen = predict(
        user,
        reward,
        *(
            features(ranks, places.position, places.num_history)
            for ranks in (shown, chosen)
        ),
    )
    terms = of_chosen + weight * (reward - of_shown)
    found = overlap(user, reward, weight, np.array(is_covered))
    if problem := found.problem:
        return Judged(found, problem), terms
    return Judged(
        found,
        "",
        estimators.ips(user, reward, weight),
        estimators.snips(user, reward, weight),
        estimators.dr(user, reward, weight, of_shown, of_chosen),
    ), terms
