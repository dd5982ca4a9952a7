"""What TFMA wrote of a model, as the rules read it."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.writers.eval_config_writer import load_eval_run
from tfx.dsl.io import fileio

from components.artifact_place import place_of
from components.champion.rules import OVERALL, Judged, Slice
from components.metric_names import METRICS
from components.ranking_metrics.metrics import USERS
from components.ranking_metrics.users import Users
from trainer_modules.model_card import read_card


def read_judged(evaluation_uri: str, model_folder: str, origin: str) -> Judged:
    """Reads an evaluation.

    Args:
        evaluation_uri: Of a ModelEvaluation artifact.
        model_folder: The SavedModel that was evaluated.
        origin: Of the Model artifact that a Trainer made.

    Raises:
        ValueError: See ``read_slices``.
    """
    card = read_card(model_folder)
    config = card["config"]
    return Judged(
        name=card["model"],
        # A model of an older release has none, and is a recipe of its own.
        recipe=card.get("recipe", origin),
        uri=origin,
        parameters=card["parameters"],
        tells_probabilities=(
            config.get("task") == "rating"
            and config.get("loss") == "cross_entropy"
            and not config.get("num_negatives")
        ),
        slices=read_slices(evaluation_uri),
    )


def read_slices(evaluation_uri: str) -> dict[str, Slice]:
    """What was measured, by the name of the slice.

    Raises:
        ValueError: If a slice has none of its users, or that of all users is missing.
    """
    slices = {}
    for part in tfma.load_metrics(evaluation_uri):
        name = _slice_name(part.slice_key)
        metrics, users = {}, None
        for each in part.metric_keys_and_values:
            if each.key.name in METRICS:
                metrics[each.key.name] = each.value.double_value.value
            elif each.key.name == USERS:
                users = Users.decoded(each.value.bytes_value)
        if users is None:
            raise ValueError(f"{evaluation_uri} has no users of {name or 'all users'}")
        slices[name] = Slice(metrics, users)
    if OVERALL not in slices:
        raise ValueError(f"{evaluation_uri} says nothing of all users")
    return slices


def evaluated_model(evaluation_uri: str) -> str:
    """Returns the folder of the SavedModel that an evaluation is of.

    TFMA recorded where that was. If the folder of runs was moved or copied since, the
    model is below the same root as the evaluation.
    """
    _, _, _, locations = load_eval_run(evaluation_uri)
    [location] = map(str, locations.values())
    model, _, serving = location.rpartition("/")
    root = evaluation_uri.rstrip("/").removesuffix(place_of(evaluation_uri))
    moved = f"{root}{place_of(model)}/{serving}"
    return moved if fileio.isdir(moved) else location


def _slice_name(key: tfma.proto.metrics_for_slice_pb2.SliceKey) -> str:
    """As in "activity=new"; "" of all users."""
    values = []
    for single in key.single_slice_keys:
        value = getattr(single, single.WhichOneof("kind"))
        text = value.decode() if isinstance(value, bytes) else str(value)
        values.append(f"{single.column}={text}")
    return ", ".join(values)
