"""What is known of the versions that are still in the folder of the runs."""

import contextlib
import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.live_models import versions
from pipeline.lineage import NoLineageError, accepted_data
from trainer_modules import features as f


@dataclasses.dataclass(frozen=True)
class KeptVersion:
    """A version.

    Attributes:
        state: ``live``, ``on trial`` or ``kept``.
        trained_on: IDs of the items that it has learned; None if its export does not
            have them.
        catalogue: Number of items in the catalogue that it was accepted with; None if
            that is not known.
    """

    state: str
    trained_on: pa.Array | None
    catalogue: int | None


def kept_versions(out: Path) -> dict[tuple[int, str], KeptVersion]:
    """Returns number and model → version, of those that can be read."""
    live = out / "live"
    newest = versions.live_number(live)
    readable = versions.readable(live) + versions.readable(versions.challengers(live))
    return {
        (version.number, version.model): KeptVersion(
            state="on trial"
            if version.is_on_trial
            else "live"
            if version.number == newest
            else "kept",
            trained_on=_trained_on(version.folder),
            catalogue=_catalogue(out, version),
        )
        for version in readable
    }


def _trained_on(folder: Path) -> pa.Array | None:
    """Returns the vocabulary of the items, which Transform leaves in the export."""
    path = folder / "assets" / f.ITEM_VOCABULARY
    if not path.is_file():
        return None
    return pa.array(path.read_text(encoding="utf-8").split("\n"), pa.string())


def _catalogue(out: Path, version: versions.Version) -> int | None:
    with contextlib.suppress(NoLineageError, OSError, pa.ArrowException):
        catalogue = accepted_data(out, version).catalogue
        return int(pq.read_metadata(catalogue / f.CATALOGUE_FILE).num_rows)
    return None
