"""Reads the data that the Trainers of a run read, to train outside of a pipeline."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow_transform as tft

from components.artifact_place import split_folder
from pipeline.runs.step_outputs import newest_output
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.trainer_inputs import read_sizes


def trainer_data(
    out: Path, leave_out: Sequence[str] = ()
) -> tuple[Data, list[bytes], tft.TFTransformOutput]:
    """Reads the newest data in an output folder, as Trainers do.

    The number of items without a row of their own is in the metadata store, and is 0
    here.

    Args:
        out: Output folder of ``marquee run``.
        leave_out: Side features that no model reads.

    Returns:
        The data, the vocabulary of the items' side features, and the transform.
    """
    transform = tft.TFTransformOutput(
        newest_output(out, "Transform", "transform_graph")
    )
    examples = newest_output(out, "Transform", "transformed_examples")
    catalogue = newest_output(out, "CatalogueGen", "catalogue")
    sizes, item_values, _ = read_sizes(transform, catalogue, leave_out)
    data = Data(
        train_files=[f"{split_folder(examples, f.TRAIN_SPLIT)}/*"],
        eval_files=[f"{split_folder(examples, f.EVAL_SPLIT)}/*"],
        feature_spec=transform.transformed_feature_spec(),
        sizes=sizes,
        num_unknown_items=0,
        item_values=item_values,
    )
    return data, item_values, transform
