"""Removes what a plan found.

Every step can be interrupted: what is left is found by the same command. Therefore the
Examples, by which everything else is found, are removed last.
"""

import datetime
from pathlib import Path

from components.live_models.version_ledger import Forgotten
from components.live_models.withdraw import withdraw
from pipeline.forgetting.kept import remove_kept
from pipeline.forgetting.plan import Plan
from pipeline.forgetting.records import remove_from
from pipeline.forgetting.sources import rewrite
from pipeline.runs import cleanup, retention
from pipeline.runs.cleanup import Leftover


def apply(out: Path, plan: Plan, is_replaced_later: bool) -> None:
    """Removes the IDs; the caller holds the lock of the folder of runs.

    Args:
        out: Folder of the runs.
        plan: What was found, and accepted by ``plan.check``.
        is_replaced_later: Whether servers may serve the withdrawn versions from memory
            until ``withdraw.end_serving`` is called.

    Raises:
        NotRemovedError: If some paths could not be removed; all others were.
        NotRewrittenError: If a file of the data could not be rewritten; nothing was
            changed.
    """
    rewrite(out, plan.sources)
    entry = Forgotten(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        users=len(plan.ids.users),
        items=len(plan.ids.items),
        versions=plan.versions,
        is_pending=is_replaced_later,
    )
    withdraw(out / "live", entry, [v.version for v in plan.learned.versions])
    remove_kept(out, plan.ids)
    for record in plan.records:
        remove_from(record, plan.ids)
    retention.mark_deleted(out, plan.learned.artifacts)
    made = [Leftover(path, 0, "holds what is forgotten") for path in plan.folders]
    removed = [
        cleanup.remove(leftover, out / "live") for leftover in (*plan.leftovers, *made)
    ]
    if left := [leftover for leftover in removed if leftover.problem]:
        raise cleanup.NotRemovedError(left)
