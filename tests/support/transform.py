"""The real transform graph, run in this process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.public import tfxio

from trainer_modules import features as f
from trainer_modules import preprocessing

SCHEMA = Path(__file__).parents[2] / "schema" / "ratings.pbtxt"
TRANSFORM_CONFIG = {
    "label_threshold": "> 3",
    "label_negative": None,
    "min_item_ratings": 1,
    "leave_out": [],
    "kinds": {},
}


def run_transform(
    folder: Path,
    splits: Mapping[str, Sequence[bytes]],
    custom_config: Mapping[str, Any],
    without: Sequence[str] = (),
    more: Sequence[schema_pb2.Feature] = (),
) -> tuple[tft.TFTransformOutput, dict[str, str]]:
    """Runs ``preprocessing_fn`` as the Transform component does.

    Args:
        folder: An empty folder for the graph and the transformed records.
        splits: Split → serialized Examples. Only ``train`` is analysed.
        custom_config: The ``custom_config`` of ``preprocessing_fn``.
        without: Features that the schema lacks.
        more: Features that the schema has besides.

    Returns:
        The transform output, and split → path of its transformed records.
    """
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    kept = [feature for feature in schema.feature if feature.name not in without]
    del schema.feature[:]
    schema.feature.extend([*kept, *more])
    source = tfxio.TFExampleBeamRecord(
        physical_format="inmem", schema=schema, telemetry_descriptors=["test"]
    )
    files = {}
    with (
        beam.Pipeline(runner="DirectRunner") as pipeline,
        tft_beam.Context(temp_dir=str(folder / "temporary")),
    ):
        raw = {
            split: (
                pipeline
                | f"Make {split}" >> beam.Create(records, reshuffle=False)
                | f"Read {split}" >> source.BeamSource()
            )
            for split, records in splits.items()
        }
        config = source.TensorAdapterConfig()
        graph = (raw[f.TRAIN_SPLIT], config) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing.preprocessing_fn(inputs, custom_config)
        )
        graph | tft_beam.WriteTransformFn(str(folder))
        tft.DatasetMetadata(schema) | tft_beam.WriteMetadata(
            str(folder / tft.TFTransformOutput.RAW_METADATA_DIR), pipeline
        )
        for split, batches in raw.items():
            transformed, metadata = (
                (batches, config),
                graph,
            ) | f"Transform {split}" >> tft_beam.TransformDataset(
                output_record_batches=True
            )
            files[split] = str(folder / f"{split}.gz")
            (
                transformed
                | f"Encode {split}" >> beam.FlatMap(_encode, metadata.schema)
                | f"Write {split}"
                >> beam.io.WriteToTFRecord(files[split], shard_name_template="")
            )
    return tft.TFTransformOutput(str(folder)), files


def _encode(batch_and_passthrough, schema):
    return RecordBatchToExamplesEncoder(schema).encode(batch_and_passthrough[0])
