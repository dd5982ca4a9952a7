"""What TFMA takes along from a user's record to its metrics: as little as possible."""

from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_model_analysis as tfma

from trainer_modules import features as f


def custom_extractors(
    eval_shared_model: Any, eval_config: tfma.EvalConfig, tensor_adapter_config: Any
) -> list[tfma.extractors.Extractor]:
    """TFMA's own extractors, without the lists that only the model needs.

    TFMA takes a batch apart user by user, and slices each ragged feature anew for each
    user: on 1,000 users that was 33 of 45 seconds. The Evaluator calls this by its name
    (``module_path``).
    """
    extractors = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    unbatch = next(
        place
        for place, extractor in enumerate(extractors)
        if extractor.stage_name == "ExtractUnbatchedInputs"
    )
    lighten = tfma.extractors.Extractor("KeepWhatSlicesNeed", _KeepWhatSlicesNeed())
    return [*extractors[:unbatch], lighten, *extractors[unbatch:]]


class _KeepWhatSlicesNeed(beam.PTransform):
    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        return batches | beam.Map(_lightened)


def _lightened(extracts: dict[str, Any]) -> dict[str, Any]:
    """Keeps of the features what slices need: the user's own, as padded arrays."""
    own = {
        name: _padded(value)
        for name, value in extracts[tfma.FEATURES_KEY].items()
        if name == f.USER_ID or f.is_user_feature(name)
    }
    return {**extracts, tfma.FEATURES_KEY: own}


def _padded(value: Any) -> Any:
    if isinstance(value, tfma.types.RaggedTensorValue):
        [row_splits] = value.nested_row_splits
        ragged = tf.RaggedTensor.from_row_splits(value.values, row_splits)
        return ragged.to_tensor().numpy()
    return value
