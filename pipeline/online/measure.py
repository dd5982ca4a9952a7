"""The metrics of each version, from the logged lists and the events."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.event_log.store import EventStoreError
from pipeline.list_log.files import NoListsError, existing_files
from pipeline.online.attribution import attribute
from pipeline.online.figures import Online
from pipeline.online.kept_versions import kept_versions
from pipeline.online.logs import Read, read_parts
from pipeline.online.settings import settings_of
from pipeline.online.tally import OfLists, Tally

_log = logging.getLogger(__name__)


def measure(
    out: Path, window: int, conversions: Sequence[str], now: float, since: int = 0
) -> Online:
    """Measures what users did with their lists.

    Args:
        out: Folder of the runs.
        window: For how many seconds after a list an event counts.
        conversions: Types of the events that are conversions.
        now: The present time, in seconds UTC.
        since: The oldest list that counts, in seconds UTC.

    Raises:
        NoListsError: If no list has been logged.
        EventStoreError: If there are no events, or they cannot be read.
    """
    read, not_over = Read(), 0
    tallies: dict[tuple[int, str], Tally] = {}
    kept = kept_versions(out)
    for lists, events in read_parts(out, since, read):
        found = attribute(lists, events, window, conversions)
        over = found.second + window <= now
        counts = over & (found.second >= since)
        not_over += int(np.count_nonzero(~over))
        of_lists = OfLists.of(found, lists["known"].to_numpy())
        for key, is_version in _by_version(lists):
            tally = tallies.setdefault(key, Tally(kept.get(key)))
            tally.add(found, of_lists, counts & is_version)
    return Online(
        window=window,
        conversions=list(conversions),
        not_over=not_over,
        not_shown=read.not_shown,
        share=read.share,
        damaged=read.damaged,
        versions=[
            figures
            for key in sorted(tallies)
            if (figures := tallies[key].figures(key, bool(conversions)))
        ],
    )


def measure_if_logged(out: Path, since: int = 0) -> Online | None:
    """Measures with the settings of the folder, for what shows more than this.

    Args:
        out: Folder of the runs.
        since: The oldest list that counts, in seconds UTC.

    Returns:
        The figures; None without lists, or if they or the events cannot be read, which
        is logged.
    """
    try:
        existing_files(out)
        settings, _ = settings_of(out)
        return measure(out, settings.window, settings.conversions, time.time(), since)
    except NoListsError:
        return None
    except (EventStoreError, OSError) as error:
        _log.warning("What users did with lists is not shown: %s", error)
        return None


def _by_version(lists: pa.Table) -> Iterator[tuple[tuple[int, str], np.ndarray]]:
    """Yields the number and the model of each version, and which lists it made."""
    models = lists["model"].combine_chunks().dictionary_encode()
    both = lists["version"].to_numpy().astype(np.int64) << 32
    both += models.indices.to_numpy()
    for code in np.unique(both):
        number, model = divmod(int(code), 1 << 32)
        yield (number, models.dictionary[model].as_py()), both == code
