"""The ledger of evidence: what was counted for whom, and which errors were risked.

A reign lasts from when a version goes live, by a push or a rollback, until the next one
does. In each reign the chance that a challenger which is not better is promoted is at
most ``alpha``: challengers that enter together share ``alpha / (j * (j + 1))``, where
``j`` counts such groups from 1. These parts add up to ``alpha`` however many groups
come. A promotion thus earns ``alpha`` anew, as in alpha-investing (Foster and Stine
2008, Journal of the Royal Statistical Society B 70).

A target counts once, whatever is live: for every recipe that was known when it was
first judged on. A new recipe counts all targets of the run that it enters in.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from components import durable_files
from components.champion.evidence import (
    Evidence,
    Hashes,
    are_in,
    differences,
    liked_targets,
)
from components.champion.judged import OVERALL, Judged

FILE = ".evidence.npz"  # in the folder of live versions
NOTHING_SEEN = np.zeros(0, np.uint32)


class LedgerError(RuntimeError):
    """The ledger cannot be read."""


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The evidence that is kept from one run to the next.

    Attributes:
        life: Lifetime of the folder of versions; each has a ledger of its own.
        version: Live version of the reign; 0 if nothing is live.
        metric: The metric that models were compared by in the last run; "" if there was
            none, and in a ledger of an older release.
        groups: Number of groups of challengers that entered in this reign.
        evidence: Evidence in this reign, by recipe.
        known: Recipes of all reigns.
        seen: Hashes of the targets of all runs, ascending.
    """

    life: str = ""
    version: int = 0
    metric: str = ""
    groups: int = 0
    evidence: Mapping[str, Evidence] = dataclasses.field(default_factory=dict)
    known: frozenset[str] = frozenset()
    seen: Hashes = dataclasses.field(default_factory=lambda: NOTHING_SEEN)

    def opened(self, life: str, version: int) -> "Ledger":
        """Returns the ledger for the version that is live now.

        In a new reign all evidence starts from zero. Seen targets stay seen, so a model
        that a person rolled back needs new users to go live again.
        """
        if life != self.life:
            return Ledger(life, version)
        if version != self.version:
            return Ledger(life, version, self.metric, known=self.known, seen=self.seen)
        return self

    def updated(
        self, challengers: Sequence[Judged], incumbent: Judged, metric: str
    ) -> "Ledger":
        """Returns the ledger after a run; a run on the same targets changes nothing.

        Evidence in one metric proves nothing in another: if the metric changes within a
        reign, all challengers enter again, for what is left of ``alpha``.

        Args:
            challengers: All challengers, judged on the same users as the incumbent.
            incumbent: The live model; the reference if nothing is live.
            metric: The metric that models are compared by.
        """
        evidence = dict(self.evidence) if self.metric in ("", metric) else {}
        entering = [c for c in challengers if c.recipe not in evidence]
        groups = self.groups + bool(entering)
        others = incumbent.slices[OVERALL].users
        for challenger in challengers:
            recipe, users = challenger.recipe, challenger.slices[OVERALL].users
            if recipe not in evidence:
                share = 1 / (groups * (groups + 1) * len(entering))
                evidence[recipe] = Evidence.initial(share)
            seen = self.seen if recipe in self.known else NOTHING_SEEN
            found = differences(users, others, metric, seen)
            evidence[recipe] = evidence[recipe].after(*found)
        return dataclasses.replace(
            self,
            metric=metric,
            groups=groups,
            evidence=evidence,
            known=self.known | {c.recipe for c in challengers},
            seen=_joined(self.seen, liked_targets(others)),
        )


def _joined(seen: Hashes, targets: Hashes) -> Hashes:
    """Returns the seen targets with further ones, ascending."""
    new = np.unique(targets[~are_in(targets, seen)])
    # Two ascending runs, which a stable sort merges in one pass.
    return np.sort(np.concatenate([seen, new]), kind="stable")


def read(live_folder: Path) -> Ledger:
    """Returns the ledger, or an empty one if there is none yet.

    Raises:
        LedgerError: If it cannot be read.
    """
    path = live_folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            values = json.loads(str(file["ledger"]))
            seen = file["seen"]
        values["known"] = frozenset(values["known"])
        values["evidence"] = {
            recipe: msgspec.convert(state, Evidence)
            for recipe, state in values["evidence"].items()
        }
        return Ledger(**values, seen=seen)
    except FileNotFoundError:
        return Ledger()
    except Exception as error:  # an archive can be broken in many ways
        raise LedgerError(
            f"Cannot read {path}: {error!r}. Restore it from a backup, or remove it; "
            "all challengers then start without evidence."
        ) from error


def write(live_folder: Path, ledger: Ledger) -> None:
    """Writes the ledger whole or not at all."""
    values = {
        "life": ledger.life,
        "version": ledger.version,
        "metric": ledger.metric,
        "groups": ledger.groups,
        "known": sorted(ledger.known),
        "evidence": {
            recipe: dataclasses.asdict(evidence)
            for recipe, evidence in ledger.evidence.items()
        },
    }
    live_folder.mkdir(parents=True, exist_ok=True)
    with durable_files.replacing(live_folder / FILE) as path, open(path, "wb") as file:
        np.savez(file, ledger=json.dumps(values), seen=ledger.seen)
