"""Adds the lifetime of the live folder to Champion's cache key."""

from pathlib import Path

from components.cache_driver import CacheDriver
from components.exec_properties import ExecProperties
from components.live_models import version_ledger

LIVE_LIFE = "live_life"


class Driver(CacheDriver):
    """Makes Champion run again after the live folder was emptied or rolled back."""

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns ``live_life``; see ``version_ledger.life``."""
        return {LIVE_LIFE: version_ledger.life(Path(exec_properties["live_folder"]))}
