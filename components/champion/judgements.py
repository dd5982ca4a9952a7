"""Reads what TFMA measured on a model, in the form that the rules use."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.writers.eval_config_writer import load_eval_run
from tfx.dsl.io import fileio

from components.artifact_place import place_of
from components.champion.judged import OVERALL, Judged, Slice
from components.metric_names import METRICS
from components.ranking_metrics.tfma_metrics import USERS
from components.ranking_metrics.users import Users
from trainer_modules.model_card import read_card


def read_judged(evaluation_uri: str, model_folder: str, origin: str) -> Judged:
    """Reads an evaluation.

    Args:
        evaluation_uri: URI of the ModelEvaluation artifact.
        model_folder: Folder of the SavedModel that was evaluated.
        origin: URI or place of the Model artifact that a Trainer wrote.

    Raises:
        ValueError: See ``read_slices``.
    """
    card = read_card(model_folder)
    config = card.config
    return Judged(
        name=card.model,
        # A model of an older release has none, and counts as its own recipe.
        recipe=card.recipe or origin,
        uri=origin,
        parameters=card.parameters,
        tells_probabilities=(
            config.get("task") == "rating"
            and config.get("loss") == "cross_entropy"
            and not config.get("num_negatives")
        ),
        slices=read_slices(evaluation_uri),
    )


def read_slices(evaluation_uri: str) -> dict[str, Slice]:
    """Returns what was measured on each slice, by its name.

    Raises:
        ValueError: If a slice has no measurements by user, or if the slice of all users
            is missing.
    """
    slices = {}
    for part in tfma.load_metrics(evaluation_uri):
        name = _slice_name(part.slice_key)
        metrics, users = {}, None
        for metric in part.metric_keys_and_values:
            if metric.key.name in METRICS:
                metrics[metric.key.name] = metric.value.double_value.value
            elif metric.key.name == USERS:
                try:
                    users = Users.decoded(metric.value.bytes_value)
                except ValueError as error:
                    raise ValueError(f"{evaluation_uri}: {error}") from error
        if users is None:
            raise ValueError(
                f"{evaluation_uri} has no measurements by user of {name or 'all users'}"
            )
        slices[name] = Slice(metrics, users)
    if OVERALL not in slices:
        raise ValueError(f"{evaluation_uri} does not have the slice of all users")
    return slices


def evaluated_model(evaluation_uri: str) -> str:
    """Returns the folder of the SavedModel that an evaluation measured.

    TFMA recorded where that was. If the folder of runs has been moved or copied since,
    the model is below the same root as the evaluation.
    """
    _, _, _, locations = load_eval_run(evaluation_uri)
    [location] = map(str, locations.values())
    model, _, serving = location.rpartition("/")
    root = evaluation_uri.rstrip("/").removesuffix(place_of(evaluation_uri))
    moved = f"{root}{place_of(model)}/{serving}"
    return moved if fileio.isdir(moved) else location


def _slice_name(key: tfma.proto.metrics_for_slice_pb2.SliceKey) -> str:
    """Returns a name such as "activity=new", and "" for all users."""
    values = []
    for single in key.single_slice_keys:
        value = getattr(single, single.WhichOneof("kind"))
        text = value.decode() if isinstance(value, bytes) else str(value)
        values.append(f"{single.column}={text}")
    return ", ".join(values)
