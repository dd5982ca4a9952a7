"""Finds the settings of online metrics in a folder of runs."""

from pathlib import Path

from components.live_models import versions
from pipeline.config.online_section import OnlineConfig
from pipeline.lineage import NoLineageError, accepted_data
from pipeline.runs import finished_runs


def settings_of(out: Path) -> tuple[OnlineConfig, str]:
    """Returns the settings of the run with which the live version was accepted.

    Args:
        out: Folder of the runs.

    Returns:
        The settings, and why they are the defaults; "" if they were found.
    """
    try:
        live = versions.live(out / "live")
        if live is None:
            raise versions.nothing_live(out)
        run = accepted_data(out, live).run
        return finished_runs.read(out, run).section("online", OnlineConfig), ""
    except (
        *(versions.VersionError, NoLineageError),
        finished_runs.RunNotFoundError,
    ) as error:
        return OnlineConfig(), str(error)
