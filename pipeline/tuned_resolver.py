"""Resolves the settings that `marquee tune` found last for a model."""

import ml_metadata as mlmd
from tfx.dsl.components.common.resolver import Resolver, ResolverStrategy
from tfx.types import Artifact, Channel, standard_artifacts

from pipeline.runs import store_lookups

HYPERPARAMETERS = "hyperparameters"  # input and output of the resolver


class TunedStrategy(ResolverStrategy):
    """Resolves the output of the newest Tuner that succeeded, also from the cache.

    Input: ``hyperparameters`` of earlier runs.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Returns at most one artifact."""
        found = {artifact.id: artifact for artifact in input_dict[HYPERPARAMETERS]}
        newest = store_lookups.newest_tuned(store, found)
        return {HYPERPARAMETERS: [found[newest]] if newest else []}


def tuned_resolver(model: str) -> Resolver:
    """Returns the node whose output ``hyperparameters`` is for a model's Trainer."""
    return Resolver(
        strategy_class=TunedStrategy,
        hyperparameters=Channel(
            type=standard_artifacts.HyperParameters,
            producer_component_id=f"Tuner_{model}",
        ),
    ).with_id(f"Tuned_{model}")
