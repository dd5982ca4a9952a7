"""Resolves the live model, locally and on a cluster, without importing executors."""

from pathlib import Path
from typing import Any

import ml_metadata as mlmd
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies import latest_blessed_model_strategy
from tfx.dsl.io import fileio
from tfx.types import Artifact, Channel, standard_artifacts
from tfx.utils import path_utils

from components.artifact_place import place_of
from components.live_models import versions
from pipeline.runs import store_lookups
from trainer_modules import features as f
from trainer_modules import model_card


class LiveModelStrategy(latest_blessed_model_strategy.LatestBlessedModelStrategy):
    """Resolves the champion that the newest version in the live folder is a copy of.

    The folder determines what is served, also after a rollback. If the live model is a
    candidate of this run, it is evaluated as such, and Champion compares the others
    with it. The strategy then returns the version before it, as it did when that
    candidate was first evaluated. So a run with nothing new takes everything from the
    cache.

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
        candidates = self._candidates(store, input_dict)
        wanted = versions.newest_origin_outside(self._live_folder, candidates)
        if wanted is None:
            return nothing
        for champion in sorted(
            input_dict["champion"], key=lambda a: a.id, reverse=True
        ):
            if _origin(champion) == wanted:
                return {**nothing, "champion": [champion]}
        return nothing

    def _candidates(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> set[str]:
        return {place_of(candidate.uri) for candidate in input_dict["candidates"]}


class BaseModelStrategy(LiveModelStrategy):
    """Resolves the same champion for Trainers, which run before there are candidates.

    Here, the candidates are all models that were ever trained on this run's data: a
    model must not start from itself, and a run with nothing new finds the same model
    as before.

    Inputs: ``champion`` of earlier runs, ``transform_graph`` of this one.
    """

    def _candidates(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> set[str]:
        return {
            place
            for graph in input_dict["transform_graph"]
            for place in store_lookups.places_made_from(store, graph.id)
        }


def _origin(champion: Artifact) -> str | None:
    """Returns the place of a champion's original; None if no model was chosen."""
    folder = path_utils.serving_model_path(champion.uri)
    if not fileio.exists(folder):
        return None
    with fileio.open(f"{folder}/{f.CARD_FILE}") as file:
        return place_of(model_card.from_json(file.read()).origin)


def live_model_resolver(candidates: Any, live_folder: str) -> Resolver:
    """Returns the node whose output ``champion`` is the model for LiveEvaluator.

    Args:
        candidates: Union of this run's Model channels.
        live_folder: Folder of the versions.
    """
    return _resolver(LiveModelStrategy, live_folder, candidates=candidates).with_id(
        "LiveModel"
    )


def base_model_resolver(transform_graph: Any, live_folder: str) -> Resolver:
    """Returns the node whose output ``champion`` is the model for a warm start.

    Args:
        transform_graph: Channel of this run's transform graph.
        live_folder: Folder of the versions.
    """
    return _resolver(
        BaseModelStrategy, live_folder, transform_graph=transform_graph
    ).with_id("BaseModel")


def _resolver(
    strategy: type[LiveModelStrategy], live_folder: str, **this_run: Any
) -> Resolver:
    return Resolver(
        strategy_class=strategy,
        config={"live_folder": live_folder},
        champion=Channel(
            type=standard_artifacts.Model, producer_component_id="Champion"
        ),
        **this_run,
    )
