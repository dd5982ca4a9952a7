"""Decides about the version on trial, again and again."""

import asyncio
import logging
import threading
import time
from pathlib import Path

from components.live_models import trial as trials
from pipeline.aside import aside
from pipeline.delivery.judgement import Judgement, judge
from pipeline.delivery.verdict import Action
from pipeline.mlflow_mirror import mirror_versions_of
from pipeline.serving.arms import Arms
from pipeline.serving.prometheus_metrics import Metrics

_log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
# A decision may take this share of the time of one core.
MAX_SHARE = 0.05


class TrialWatcher:
    """The decisions of a server; several servers may decide at once."""

    def __init__(self, out: Path, arms: Arms, metrics: Metrics):
        """Starts without a decision.

        Args:
            out: Folder of the runs.
            arms: The versions.
            metrics: Metrics of the trial.
        """
        self._out, self._arms, self._metrics = out, arms, metrics
        self._not_before, self._damaged = 0.0, ""

    async def look(self) -> None:
        """Judges the version on trial, and carries a decision out."""
        trial = self._arms.trial
        if trial is None or time.monotonic() < self._not_before:
            return
        started = time.monotonic()
        judgement = await asyncio.to_thread(aside, judge, self._out, trial, time.time())
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / MAX_SHARE
        self._show(judgement)
        verdict, live = judgement.verdict, self._out / "live"
        if verdict.action == Action.WAIT:
            return
        ends = {Action.PROMOTE: trials.promote, Action.WITHDRAW: trials.withdraw}
        end = ends[verdict.action]
        is_done = await asyncio.to_thread(end, live, trial.version, verdict.reason)
        _log.info(
            "version %d: trial ended, %s: %s",
            *(trial.version, verdict.action, verdict.reason),
        )
        await self._arms.look()
        if is_done:  # otherwise another process has ended the trial
            # A daemon: neither requests nor the end of the server wait for MLflow.
            mirror = threading.Thread(
                target=mirror_versions_of, args=(self._out,), daemon=True
            )
            mirror.start()

    def _show(self, judgement: Judgement) -> None:
        for name, arm in judgement.arms.items():
            self._metrics.arm_lists.labels(name).set(arm.failed.lists.sum())
            self._metrics.arm_followed.labels(name).set(arm.followed.share)
        self._metrics.trial_damaged_files.set(len(judgement.damaged))
        damaged = "; ".join(judgement.damaged)
        if damaged and damaged != self._damaged:  # once, until another one is damaged
            _log.warning("lists that do not count for the trial: %s", damaged)
        self._damaged = damaged
