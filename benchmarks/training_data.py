"""What the Trainers of a run were given, for whoever trains beside the pipeline."""

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
    """Reads the newest data in a run's folder, as ``read_data``, and its transform.

    Items without a row of their own are not counted: that is in the metadata store.

    Args:
        out: Where ``marquee run`` left its artifacts.
        leave_out: Side features that no model is to read.
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
