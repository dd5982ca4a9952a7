"""Finds the live model for the Evaluators to compare with."""

from typing import Any

import ml_metadata as mlmd
from tfx import v1 as tfx
from tfx.types import Artifact
from tfx.utils import path_utils

from trainer_modules.model_card import read_card


class LiveModelStrategy(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The champion that was blessed last and is not one of this run's candidates.

    A candidate that is live already is judged as a candidate, on the same users in the
    same run, and Champion compares the others with it: to judge it a second time as
    their baseline would tell nothing. The baseline is then the one that it replaced, as
    when it was judged first; so a run with nothing new takes all from the cache.

    Inputs: ``champion`` and ``blessing`` of earlier runs, ``candidates`` of this one.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Returns at most one artifact under ``champion``, and none elsewhere."""
        nothing: dict[str, list[Artifact]] = {key: [] for key in input_dict}
        blessed = {
            blessing.get_string_custom_property("current_model")
            for blessing in input_dict["blessing"]
            if blessing.get_int_custom_property("blessed") == 1
        }
        candidates = {candidate.uri for candidate in input_dict["candidates"]}
        for champion in sorted(
            input_dict["champion"], key=lambda a: a.id, reverse=True
        ):
            if champion.uri in blessed and _origin(champion) not in candidates:
                return {**nothing, "champion": [champion]}
        return nothing


def _origin(champion: Artifact) -> str:
    return str(read_card(path_utils.serving_model_path(champion.uri))["origin"])


def live_model_resolver(candidates: Any) -> tfx.dsl.Resolver:
    """The resolver node; its output ``champion`` is a baseline for an Evaluator.

    Args:
      candidates: the union of this run's Model channels.
    """
    artifacts = tfx.types.standard_artifacts
    return tfx.dsl.Resolver(
        strategy_class=LiveModelStrategy,
        champion=tfx.dsl.Channel(
            type=artifacts.Model, producer_component_id="Champion"
        ),
        blessing=tfx.dsl.Channel(
            type=artifacts.ModelBlessing, producer_component_id="Champion"
        ),
        candidates=candidates,
    ).with_id("LiveModel")
