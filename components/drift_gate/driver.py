"""Adds the live version to DriftGate's cache key."""

from pathlib import Path

from components.cache_driver import CacheDriver
from components.exec_properties import ExecProperties
from components.live_models import versions

LIVE_MODEL = "live_model"


class Driver(CacheDriver):
    """Makes DriftGate run again for another live model, with which it compares."""

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns ``live_model``: the live version's folder, empty if nothing is live.

        Raises:
            VersionError: If the live version's card cannot be read.
        """
        live = versions.live(Path(exec_properties["live_folder"]))
        return {LIVE_MODEL: str(live.folder) if live else ""}
