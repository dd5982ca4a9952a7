"""Finds every place that holds an ID, and what has to happen to it."""

import dataclasses
from pathlib import Path

from components.wording import counted
from pipeline.forgetting.ids import Ids
from pipeline.forgetting.kept import Kept, find_kept
from pipeline.forgetting.learned import Learned, find_learned
from pipeline.forgetting.records import Record, find_records
from pipeline.forgetting.sources import SourceFile, find_in_sources
from pipeline.runs.cleanup import Leftover, leftovers


class NotForgottenError(RuntimeError):
    """The data would bring the IDs back; nothing was changed."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that holds one of the IDs, or was made from it.

    Attributes:
        ids: The IDs.
        sources: Files that runs have read, with rows to remove.
        unsearched: Folders of spans that are not complete, and are not read.
        learned: Artifacts to remove, and versions to withdraw.
        records: Records and logs from which to remove the IDs.
        kept: What servers have kept.
        leftovers: What killed runs left, which is not searched but removed.
    """

    ids: Ids
    sources: tuple[SourceFile, ...]
    unsearched: tuple[str, ...]
    learned: Learned
    records: tuple[Record, ...]
    kept: Kept
    leftovers: tuple[Leftover, ...]

    @property
    def folders(self) -> list[Path]:
        """The folders of the artifacts."""
        return sorted(self.learned.artifacts.values())

    @property
    def is_empty(self) -> bool:
        """Whether the IDs were found nowhere; leftovers are not searched."""
        found = (self.sources, self.folders, self.versions, self.records)
        return not any(found) and self.kept == Kept()

    @property
    def versions(self) -> list[int]:
        """The numbers of the versions to withdraw, the oldest first."""
        return [leaving.version.number for leaving in self.learned.versions]


def make_plan(out: Path, ids: Ids) -> Plan:
    """Finds all places; the caller holds the lock of the folder of runs.

    Raises:
        BadInputError: If a source of the runs cannot be read.
        EventStoreError: If the received events cannot be read.
        MetadataError: If the metadata store is missing or damaged.
        VersionError: If a version is unreadable.
    """
    learned, found = find_learned(out, ids), find_in_sources(out, ids)
    return Plan(
        ids=ids,
        learned=learned,
        sources=found.files,
        unsearched=found.unsearched,
        records=tuple(find_records(out, ids, set(learned.artifacts.values()))),
        kept=find_kept(out, ids),
        leftovers=tuple(leftovers(out)),
    )


def check(plan: Plan, rewrites_data: bool) -> None:
    """Refuses a plan after which the next run would learn from the IDs again.

    Args:
        plan: What was found.
        rewrites_data: Whether files that are not in spans may be rewritten.

    Raises:
        NotForgottenError: If a file keeps rows.
    """
    lines = [f"{file.path}: {file.problem}" for file in plan.sources if file.problem]
    if lines:
        raise NotForgottenError(
            "\n".join([*lines, "Nothing was changed. Run the same command afterwards."])
        )
    own = [file for file in plan.sources if not file.is_span]
    if own and not rewrites_data:
        names = "\n".join(f"{file.path}: {counted(file.rows, 'row')}" for file in own)
        raise NotForgottenError(
            f"{names}\nThe next run would learn from these rows again. Remove them, or "
            "add --rewrite-data to have the files rewritten without them. Nothing was "
            "changed."
        )
