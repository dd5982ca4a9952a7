"""Finds the live model for LiveEvaluator, the same way locally and on a cluster."""

from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from tfx import v1 as tfx
from tfx.types import Artifact
from tfx.utils import path_utils

from components.pusher import versions
from trainer_modules.model_card import read_card


class LiveModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The champion that the newest version in the live folder is a copy of.

    The folder says what serves, after a rollback too. A candidate that is live already
    is judged as a candidate, and Champion compares the others with it: to judge it a
    second time would tell nothing. What is found then is the version before it, as when
    it was judged first; so a run with nothing new takes all from the cache.

    Inputs: ``champion`` of earlier runs, ``candidates`` of this one.
    """

    def __init__(self, live_folder: str):
        super().__init__()
        self._live_folder = Path(live_folder)

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Returns at most one artifact under ``champion``, and none elsewhere."""
        nothing: dict[str, list[Artifact]] = {key: [] for key in input_dict}
        candidates = {candidate.uri for candidate in input_dict["candidates"]}
        origins = [v.origin for v in versions.versions(self._live_folder)]
        while origins and origins[-1] in candidates:
            origins.pop()
        if not origins:
            return nothing
        for champion in sorted(
            input_dict["champion"], key=lambda a: a.id, reverse=True
        ):
            if _origin(champion) == origins[-1]:
                return {**nothing, "champion": [champion]}
        return nothing


def _origin(champion: Artifact) -> str | None:
    """Of the model that a champion is a copy of; None where nothing was chosen."""
    folder = path_utils.serving_model_path(champion.uri)
    if not tfx.dsl.io.fileio.exists(folder):
        return None
    return str(read_card(folder)["origin"])


def live_model_resolver(candidates: Any, live_folder: str) -> tfx.dsl.Resolver:
    """The resolver node; its output ``champion`` is what LiveEvaluator judges.

    Args:
      candidates: the union of this run's Model channels.
      live_folder: of the versions.
    """
    return tfx.dsl.Resolver(
        strategy_class=LiveModelStrategy,
        config={"live_folder": live_folder},
        champion=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.Model, producer_component_id="Champion"
        ),
        candidates=candidates,
    ).with_id("LiveModel")
