"""Reads the data that the Trainers of a run read, to train outside of a pipeline."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import tensorflow_transform as tft

from pipeline.runs.execute import newest
from trainer_modules import features as f
from trainer_modules.inputs import Data
from trainer_modules.run_fn import read_data


def trainer_data(
    out: Path, leave_out: Sequence[str] = ()
) -> tuple[Data, list[bytes], tft.TFTransformOutput]:
    """Reads the newest data in an output folder as ``read_data`` does.

    The number of items without a row of their own is in the metadata store, and is 0
    here.

    Args:
        out: Output folder of ``marquee run``.
        leave_out: Side features that no model reads.

    Returns:
        The data, the vocabulary of the items' side features, and the transform.
    """
    transform = tft.TFTransformOutput(newest(out, "Transform", "transform_graph"))
    examples = newest(out, "Transform", "transformed_examples")
    settings = {
        "catalogue": newest(out, "CatalogueGen", "catalogue"),
        "leave_out": list(leave_out),
        "num_items_before_test": 0,
    }
    data, item_values = read_data(
        SimpleNamespace(
            train_files=[f"{examples}/Split-{f.TRAIN_SPLIT}/*"],
            eval_files=[f"{examples}/Split-{f.EVAL_SPLIT}/*"],
            custom_config=settings,
        ),
        transform,
    )
    return data, item_values, transform
