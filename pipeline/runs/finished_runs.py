"""Finds the finished runs in an output folder, and reads their records."""

from pathlib import Path

import msgspec

from pipeline.runs.record import RUN_FILE, RecordError, RunRecord, read_record


class RunNotFoundError(LookupError):
    """The output folder has no such run, or its record cannot be read."""


def run_ids(out: Path) -> list[str]:
    """Returns the IDs of the finished runs, the oldest first."""
    return sorted(path.parent.name for path in (out / "runs").glob(f"*/{RUN_FILE}"))


def read(out: Path, run_id: str | None = None) -> RunRecord:
    """Reads the record of a finished run.

    Args:
        out: Folder of the runs.
        run_id: ID of the run; None for the newest.

    Raises:
        RunNotFoundError: If the run does not exist, or its record cannot be read.
    """
    known = run_ids(out)
    if not known:
        raise RunNotFoundError(
            f"There is no finished run in {out}. Start one with `marquee run`, or name "
            "the folder with --out"
        )
    chosen = known[-1] if run_id is None else run_id
    if chosen not in known:
        raise RunNotFoundError(
            f"There is no finished run {chosen!r} in {out}. The newest are "
            f"{', '.join(known[-5:])}"
        )
    path = out / "runs" / chosen / RUN_FILE
    try:
        record = read_record(path)
    except RecordError as error:
        raise RunNotFoundError(str(error)) from error
    # The folder may have been moved since.
    here = msgspec.structs.replace(
        record.run, out=str(out), log=str(path.with_name("run.log"))
    )
    return msgspec.structs.replace(record, run=here)
