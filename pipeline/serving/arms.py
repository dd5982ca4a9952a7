"""The live version and the one on trial: which of them makes a user's list."""

import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from components.live_models.trial import settled
from components.live_models.version_ledger import Trial
from components.live_models.versions import VersionError
from pipeline.config.delivery_section import SHADOW, DeliveryConfig
from pipeline.delivery.judgement import settings_of
from pipeline.serving.model_process import ModelProcess
from pipeline.serving.prometheus_metrics import Metrics
from pipeline.serving.recommended_list import RecommendedList
from pipeline.serving.settings import Holds
from pipeline.serving.version_watcher import LiveModel

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Maker:
    """What makes a list.

    Attributes:
        model: The version.
        arm: Name of the arm of the trial; "" without one.
        is_ready: Whether its ratings have been read, or cannot be read: until then,
            failures are the server's, which has just started.
    """

    model: ModelProcess
    arm: str
    is_ready: bool = True


class Arms:
    """The two versions of a trial, or the live one; belongs to one event loop."""

    def __init__(
        self,
        folder: Path,
        live: LiveModel,
        challenger: LiveModel,
        holds: Holds,
        metrics: Metrics,
    ):
        """Starts without a trial.

        Args:
            folder: Folder of the live versions.
            live: The live version.
            challenger: The version on trial.
            holds: Which of them makes the lists; with one of them, another server has
                the other, and the users are divided in front of both.
            metrics: Metrics of a shadow.
        """
        self.trial: Trial | None = None
        self._folder, self._live, self._challenger = folder, live, challenger
        self._holds, self._metrics = holds, metrics
        self._settings = DeliveryConfig()

    async def look(self) -> None:
        """Loads a version that is on trial, and ends one that no longer is."""
        if self._holds != "trial":
            await self._live.look()
        try:
            trial = settled(self._folder).trial
            settings = settings_of(trial) if trial else DeliveryConfig()
        except (OSError, VersionError, ValueError) as error:
            _log.warning("%s", error)  # the next check may succeed
            return
        if trial != self.trial:
            _log.info("trial: %s", trial or "none")
        self.trial, self._settings = trial, settings
        if not trial or self._holds == "live":
            self._challenger.leave()
        elif self._holds == "both" or settings.mode != SHADOW:
            await self._challenger.look()

    @property
    def _is_running(self) -> bool:
        """Whether both versions of the trial are loaded, here."""
        trial, live, challenger = self.trial, self._live, self._challenger
        return (
            trial is not None
            and (live.number, challenger.number) == (trial.against, trial.version)
            and challenger.is_ready
        )

    @contextlib.contextmanager
    def usual(self) -> Iterator[Maker]:
        """Yields the version that makes lists, unless a trial has another one for them.

        It is not closed before the block ends.
        """
        held = self._challenger if self._holds == "trial" else self._live
        with held.held() as model:
            yield Maker(model, self._arm_of(model.number), held.is_ready)

    def _arm_of(self, version: int) -> str:
        """Returns the name of the arm of a version; "" if no trial is in progress."""
        if not self.trial or (self._holds == "both" and not self._is_running):
            return ""
        numbers = (self.trial.against, self.trial.version)
        return dict(zip(numbers, self._settings.arms, strict=True)).get(version, "")

    @contextlib.contextmanager
    def challenger(self, user: str) -> Iterator[Maker | None]:
        """Yields the version on trial if a user gets its lists, else None."""
        if not self._is_running or not self._is_chosen(user):
            yield None
            return
        with self._challenger.held() as model:
            yield Maker(model, self._settings.arms[1])

    @contextlib.contextmanager
    def shadow(self) -> Iterator[Maker | None]:
        """Yields the version on trial if its lists are made, and not shown."""
        if not self.has_shadow:
            yield None
            return
        with self._challenger.held() as model:
            yield Maker(model, SHADOW)

    @property
    def has_shadow(self) -> bool:
        """Whether lists are made with the version on trial that are not shown."""
        return self._is_running and self._settings.mode == SHADOW

    def compare(
        self, shown: RecommendedList, other: RecommendedList, seconds: float
    ) -> None:
        """Counts how well a list that was not shown agrees with the shown one."""
        ids = {item.item_id for item in shown.items}
        if ids:
            common = ids & {item.item_id for item in other.items}
            self._metrics.shadow_agreement.observe(len(common) / len(ids))
        self._metrics.shadow_latency.observe(seconds)

    def _is_chosen(self, user: str) -> bool:
        """Returns whether a user belongs to the arm of the version on trial.

        A user stays in an arm, and each trial has others: the number of the version is
        part of what is hashed.
        """
        assert self.trial
        if self._settings.mode == SHADOW:
            return False
        text = f"{self.trial.version}\0{user}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=8).digest()
        return int.from_bytes(digest) < self._settings.share * 2**64
