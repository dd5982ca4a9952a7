"""What TFMA takes along from a user's record to its metrics: as little as possible."""

import hashlib
import itertools
import zlib
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma

from trainer_modules import features as f

USER_HASH = "user_hash"
TARGET_HASH = "target_hash"
ACTIVITY = "activity"  # a slice
# The least ratings before the targets -> what such users are called.
ACTIVITIES = {0: "new", 1: "1-19", 20: "20-99", 100: "100-499", 500: "500+"}


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
    """Keeps of the features what slices need, one value of each for each user."""
    features = extracts[tfma.FEATURES_KEY]
    own: dict[str, npt.NDArray[Any]] = {
        name: _joined(value)
        for name, value in features.items()
        if f.is_user_feature(name)
    }
    [splits] = features[f.HISTORY_ITEM_ID].nested_row_splits
    own[ACTIVITY] = activity(np.diff(splits))
    own[USER_HASH] = np.array(
        [[user_hash(user_id)] for user_id in np.ravel(features[f.USER_ID])], np.uint64
    )
    own[TARGET_HASH] = target_hashes(
        np.ravel(features[f.USER_ID]), features[f.ITEM_ID], features.get(f.TIMESTAMP)
    )
    return {**extracts, tfma.FEATURES_KEY: own}


def activity(num_ratings: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """What users [B] with so many ratings are called, [B, 1]."""
    place = np.searchsorted(list(ACTIVITIES), num_ratings, side="right") - 1
    return np.array(list(ACTIVITIES.values()))[place][:, np.newaxis]


def user_hash(user_id: bytes) -> int:
    """64 bits that stand for a user, the same in every run and for every model."""
    return int.from_bytes(hashlib.blake2b(user_id, digest_size=8).digest(), "big")


def target_hashes(
    user_id: npt.NDArray[np.object_],
    item_id: tfma.types.RaggedTensorValue,
    timestamp: tfma.types.RaggedTensorValue | None,
) -> npt.NDArray[np.uint32]:
    """Returns 32 bits that stand for each target, the same in every run, [B, T].

    Args:
        user_id: [B].
        item_id: [B, ...] Of the targets.
        timestamp: The same, in seconds; None where the log has no times.
    """
    [splits] = item_id.nested_row_splits
    counts = np.diff(splits)
    hashes = np.zeros([len(counts), counts.max(initial=0)], np.uint32)
    times = timestamp.values if timestamp is not None else []
    has_times = len(times) == len(item_id.values)
    for row, user in enumerate(user_id):
        for column, place in enumerate(range(splits[row], splits[row + 1])):
            time = times[place] if has_times else ""
            text = b"\0".join([user, item_id.values[place], str(time).encode()])
            hashes[row, column] = zlib.crc32(text)
    return hashes


def _joined(values: tfma.types.RaggedTensorValue) -> npt.NDArray[np.object_]:
    """What is known of users [B], [B, 1]: several values as one, as in ``F|M``."""
    [splits] = values.nested_row_splits
    return np.array(
        [
            [b"|".join(values.values[start:end]) or b"unknown"]
            for start, end in itertools.pairwise(splits)
        ],
        np.object_,
    )
