"""A study: trials of a model's settings until a limit, in one process or in several.

Optuna (https://optuna.org) proposes the values by TPE (Bergstra et al. 2011,
https://papers.nips.cc/paper/4443), and ends trials that are behind by asynchronous
successive halving (Li et al. 2018, https://arxiv.org/abs/1810.05934). The first trial
has the settings as they are, so that the best one is never worse than them on the eval
split.

Processes that share a study share its storage. One at a time starts a trial, in its
turn, and holds a lock for as long as the trial runs. The locks of a process that is
killed are released, which is how the others notice, and run its trial again.
"""

import dataclasses
import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from trainer_modules.configs.search import (
    Axis,
    Choice,
    Given,
    Space,
    drawn_axis,
    encoded,
)
from trainer_modules.tuning.storage import Storage

# Trials are compared after 4, 8, 16 … epochs, and the better half of those that came
# as far continues. After one epoch alone, all small learning rates would be stopped.
_FIRST_RUNG, _REDUCTION = 4, 2
_RUNGS = frozenset(_FIRST_RUNG * _REDUCTION**n for n in range(20))
# Between them, an epoch is measured if measuring has taken no more of the trial's time.
_MEASURING_SHARE = 0.2
# Attributes of a trial; the first one marks that with the settings as they were.
_FIRST, _STARTED, _SECONDS, _ERROR = "first", "started", "seconds", "error"
_KILLS, _MAX_KILLS = (
    "kills",
    3,
)  # processes that were killed while they tried its values
_RANDOM = 5  # trials before TPE proposes values; ADR 42 compares it with Optuna's ten
_POLL_SECONDS = 0.2  # between looks at the trials of other processes
_SEEDS = 1_000_003  # more than a study has trials
_log = logging.getLogger("marquee.progress")

State = Literal["complete", "stopped", "failed"]
_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
}
Measure = Callable[[], float]  # returns the metric, of which more is better
# Trains with the values of a trial and returns the metric; given the values, the
# trial's name, and what to call after each epoch with what measures it.
Train = Callable[[Mapping[str, Any], str, Callable[[Measure], None]], float]


class TuningError(ValueError):
    """A study that found no settings."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """When a study ends; what earlier parts of it took counts.

    Attributes:
        trials: Number of trials; None for as many as the seconds allow.
        seconds: Seconds in which at least one trial runs; None for as many as the
            trials need.
    """

    trials: int | None
    seconds: float | None


@dataclasses.dataclass(frozen=True)
class Worker:
    """One of the processes that share a study.

    Attributes:
        number: From 0; no two processes that run at once have the same one.
        count: Number of processes.
    """

    number: int = 0
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: Number from 0.
        state: ``stopped`` if it was behind the others, or the budget ended.
        values: Setting → value, in JSON's types.
        metric: The metric of the best epoch; None unless it is complete.
        curve: Epochs, from 1, and the metric after each; some are not measured.
        seconds: Wall-clock time.
        error: Why it failed; empty unless it did.
        is_first: Whether it has the settings as they were.
    """

    number: int
    state: State
    values: dict[str, Any]
    metric: float | None
    curve: list[tuple[int, float]]
    seconds: float
    error: str = ""
    is_first: bool = False


class Study:
    """The trials of one model's settings; it continues where an earlier one ended."""

    def __init__(
        self,
        name: str,
        space: Space,
        start: Mapping[str, Any],
        storage: Storage,
        seed: int,
        worker: Worker = Worker(),  # noqa: B008 - it is frozen
    ):
        """Opens the study.

        Args:
            name: Name of the model.
            space: The settings to try.
            start: Their present values; the first trial has the nearest ones to try.
            storage: Where the study is stored. If it is there, it continues, with
                trials that were interrupted from their beginning.
            seed: Seed of the proposals.
            worker: Which of the processes that share the study this one is.

        Raises:
            TuningError: If there is nothing to try.
        """
        if not space:
            raise TuningError(f"{name} has no setting to try")
        self.name, self.space = name, space
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = storage
        with storage.turn():
            self._study = optuna.create_study(
                storage=storage.trials,
                study_name=storage.study_name,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.SuccessiveHalvingPruner(_FIRST_RUNG, _REDUCTION),
            )
            # Neither a study that continues nor another worker must propose what the
            # study began with.
            self._study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=_RANDOM,
                seed=seed + len(self._study.trials) + _SEEDS * worker.number,
                # Values near those of a trial that still runs are not proposed.
                constant_liar=worker.count > 1,
            )
            # The first trial is never behind: where it was stopped, the budget ended.
            if all(
                trial.state == TrialState.PRUNED
                for trial in self._study.trials
                if _FIRST in trial.user_attrs
            ):
                nearest = {
                    name: axis.nearest(start[name]) for name, axis in space.items()
                }
                self._study.enqueue_trial(
                    {
                        name: encoded(axis, nearest[name])
                        for name, axis in space.items()
                        if _is_tried(axis, {**start, **nearest})
                    },
                    user_attrs={_FIRST: True},
                )

    def run(self, train: Train, limits: Limits) -> list[Trial]:
        """Runs the trials that are left, and returns all of them.

        It waits for the trials of other processes, and runs those of killed ones again.

        Args:
            train: Trains with the values of a trial.
            limits: When the study ends.

        Raises:
            TuningError: If no trial is complete at the end.
        """
        self.help(train, limits)
        while self._running():
            time.sleep(_POLL_SECONDS)
            self.help(train, limits)
        trials = self.trials()
        if not any(trial.state == "complete" for trial in trials):
            raise TuningError(self._no_result(trials))
        return trials

    def help(self, train: Train, limits: Limits) -> None:
        """Runs trials until none is left to start; others may still be running.

        Args:
            train: Trains with the values of a trial.
            limits: When the study ends.
        """
        while started := self._start_next(limits):
            try:
                self._run(started, train)
            finally:
                self._storage.release(started.trial.number)

    def trials(self) -> list[Trial]:
        """Returns the trials that have ended; interrupted ones are run again."""
        return [
            _record(trial)
            for trial in self._study.get_trials(states=list(_STATES))
            if trial.state != TrialState.FAIL or _ERROR in trial.user_attrs
        ]

    def _start_next(self, limits: Limits) -> "_Started | None":
        """Starts a trial, and returns it; None if the study is over."""
        with self._storage.turn():
            for trial in self._running():
                if not self._storage.is_held(trial.number):
                    self._replace(trial)
            count = len(self.trials()) + len(self._running())
            if limits.trials is not None and count >= limits.trials:
                return None
            left = (
                math.inf if limits.seconds is None else limits.seconds - self._spent()
            )
            if left <= 0:
                return None
            asked = self._study.ask()
            self._storage.hold(asked.number)
            # Optuna's own time has no fractions in MySQL, and no time zone.
            asked.set_user_attr(_STARTED, time.time())
            # Within the turn, so that other processes see which values are being tried.
            return _Started(asked, _proposed(asked, self.space), left)

    def _replace(self, killed: FrozenTrial) -> None:
        """Has a trial whose process was killed run again, unless it is the cause.

        It probably is if each process that tried its values was killed.
        """
        attributes = killed.user_attrs
        kills = attributes.get(_KILLS, 0) + 1
        if _ERROR in attributes:  # it had failed by itself
            self._study.tell(killed.number, state=TrialState.FAIL)
        elif kills < _MAX_KILLS:
            self._study.tell(killed.number, state=TrialState.FAIL)
            first = {_FIRST: True} if _FIRST in attributes else {}
            self._study.enqueue_trial(
                killed.params or killed.system_attrs.get("fixed_params", {}),
                user_attrs={_KILLS: kills, **first},
            )
        else:
            trial = optuna.Trial(self._study, killed._trial_id)
            trial.set_user_attr(_SECONDS, 0.0)  # it is not known when it was killed
            error = (
                f"its process was killed {kills} times, perhaps because these values "
                "need more memory than there is"
            )
            trial.set_user_attr(_ERROR, error)
            self._study.tell(trial, state=TrialState.FAIL)
            _log.warning("%s, trial %d: %s", self.name, killed.number, error)

    def _running(self) -> list[FrozenTrial]:
        """Returns the trials that run, or did when their process was killed."""
        return self._study.get_trials(states=[TrialState.RUNNING])

    def _spent(self) -> float:
        """Returns the seconds in which at least one trial ran, this run's or not."""
        parts = []
        for trial in self._study.get_trials():
            start = trial.user_attrs.get(_STARTED)
            if start is None:
                continue
            seconds = trial.user_attrs.get(_SECONDS)
            if trial.state == TrialState.RUNNING:
                seconds = time.time() - start
            if seconds is not None:  # it was not interrupted
                parts.append((start, seconds))
        spent, until = 0.0, -math.inf
        for start, seconds in sorted(parts):
            end = start + seconds
            spent += max(0.0, min(seconds, end - until))
            until = max(until, end)
        return spent

    def _run(self, run: "_Started", train: Train) -> None:
        trial, started = run.trial, time.monotonic()
        epoch, measuring = 0, 0.0

        def report(measure: Measure) -> None:
            nonlocal epoch, measuring
            epoch += 1
            is_behind, now = False, time.monotonic()
            if epoch in _RUNGS or measuring <= _MEASURING_SHARE * (now - started):
                metric = measure()
                measuring += time.monotonic() - now
                trial.report(metric, epoch)
                is_behind = trial.should_prune()  # in any case: it counts for others
            if _FIRST in trial.user_attrs:
                is_behind = False  # by a trial beside it
            if is_behind or time.monotonic() - started > run.seconds:
                raise optuna.TrialPruned

        state, metric, error = TrialState.COMPLETE, math.nan, ""
        name = f"{self.name}, trial {trial.number}"
        try:
            metric = train(run.values, name, report)
            if math.isnan(metric):
                raise ValueError("the metric is not a number")
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except Exception as failure:  # other values may do
            state, error = TrialState.FAIL, f"{type(failure).__name__}: {failure}"
            logging.exception("%s failed", name)
        took = time.monotonic() - started
        is_complete = state == TrialState.COMPLETE
        with self._storage.turn():
            trial.set_user_attr(_SECONDS, took)
            if error:
                trial.set_user_attr(_ERROR, error)
            self._study.tell(trial, metric if is_complete else None, state)
        result = error or (f"{metric:.4f}" if is_complete else _STATES[state])
        _log.info("%s: %s, %.0f s", name, result, took)

    def _no_result(self, trials: list[Trial]) -> str:
        failed = [trial.error for trial in trials if trial.error]
        if failed:
            return f"all trials of {self.name} failed; the first one with {failed[0]}"
        return (
            f"{self.name}: the budget ended before any trial was complete: allow more "
            "time, and more trials if their number is limited"
        )


@dataclasses.dataclass(frozen=True)
class _Started:
    """A trial that this process runs.

    Attributes:
        trial: Optuna's trial.
        values: The values that it tries.
        seconds: Seconds after which the study's time is over.
    """

    trial: optuna.Trial
    values: dict[str, Any]
    seconds: float


def best(trials: list[Trial]) -> Trial:
    """Returns the complete trial with the best metric, the first one of several."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: (trial.metric, -trial.number))


def _record(trial: FrozenTrial) -> Trial:
    state = _STATES[trial.state]
    return Trial(
        number=trial.number,
        state=state,
        values={name: _decoded(value) for name, value in trial.params.items()},
        metric=trial.value if state == "complete" else None,
        curve=sorted(trial.intermediate_values.items()),
        seconds=trial.user_attrs[_SECONDS],
        error=trial.user_attrs.get(_ERROR, ""),
        is_first=_FIRST in trial.user_attrs,
    )


def _proposed(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Returns the values to try, in JSON's types."""
    values: dict[str, Any] = {}
    for name, axis in sorted(
        space.items(), key=lambda item: isinstance(item[1], Given)
    ):
        if not _is_tried(axis, values):
            continue
        drawn = drawn_axis(axis)
        with warnings.catch_warnings():
            # An interrupted trial, or the present settings, have each value already.
            warnings.simplefilter("ignore", UserWarning)
            if isinstance(drawn, Choice):
                texts = [json.dumps(value) for value in drawn.values]
                values[name] = json.loads(trial.suggest_categorical(name, texts))
            elif isinstance(drawn.low, int) and isinstance(drawn.high, int):
                values[name] = trial.suggest_int(
                    name, drawn.low, drawn.high, log=drawn.log
                )
            else:
                values[name] = trial.suggest_float(
                    name, drawn.low, drawn.high, log=drawn.log
                )
    return values


def _is_tried(axis: Axis, values: Mapping[str, Any]) -> bool:
    return not isinstance(axis, Given) or values.get(axis.setting) not in axis.unless


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
