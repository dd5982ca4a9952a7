"""SpanStatistics: TFDV's statistics of one span's ratings, one row per rating."""

import os

import apache_beam as beam
import pyarrow as pa
import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME
from tfx.types import artifact_utils, standard_artifacts

from components.ratings_example_gen import files
from components.ratings_example_gen.executor import (
    NEWEST_SPAN,
    NEWEST_SPAN_FINGERPRINT,
)
from components.ratings_example_gen.fingerprints import unchanged
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.read.rows import Block
from components.ratings_example_gen.recognise.column_names import (
    ITEM_ID,
    RATING,
    USER_ID,
)
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.settings import Settings
from components.ratings_example_gen.spans import folder_of

SPLIT = "ratings"
COLUMNS = (USER_ID, ITEM_ID, RATING)


@tfx.dsl.components.component(use_beam=True)
def SpanStatistics(  # noqa: N802 - TFX names a component like the class that it becomes
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    input_base: tfx.dsl.components.Parameter[str],
    settings: tfx.dsl.components.Parameter[str],
    code_version: tfx.dsl.components.Parameter[str],
    statistics: tfx.dsl.components.OutputArtifact[standard_artifacts.ExampleStatistics],
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Computes statistics of the users, items and ratings in the newest span.

    Args:
        examples: Examples whose newest part is the span. Bad input stops the run in the
            step that makes them.
        input_base: Folder of the spans.
        settings: Settings of RatingsExampleGen, as JSON.
        code_version: Hash of the sources; part of the cache key.
        statistics: Output with one split, ``ratings``; the span's name is a property.
        beam_pipeline: Beam pipeline, set by TFX.
    """
    del code_version
    span = examples.get_string_custom_property(NEWEST_SPAN)
    parsed = Settings.from_json(settings)
    layout = layout_of(input_base, span, parsed)
    reader = RatingsReader(events=parsed.events)
    statistics.set_string_custom_property(NEWEST_SPAN, span)
    statistics.split_names = artifact_utils.encode_split_names([SPLIT])
    folder = artifact_utils.get_split_uri([statistics], SPLIT)
    paths = sorted({part.path for part in layout.ratings})
    expected = examples.get_string_custom_property(NEWEST_SPAN_FINGERPRINT) or None
    with unchanged(paths, expected), beam_pipeline as pipeline:
        _ = (
            pipeline
            | "CreateBlocks" >> beam.Create(plan_blocks(layout.ratings))
            | "ReadBlocks" >> beam.FlatMap(_record_batches, layout, reader)
            | "GenerateStatistics"
            >> tfdv.GenerateStatistics(tfdv.StatsOptions(num_top_values=20))
            | "WriteStatistics"
            >> tfdv.WriteStatisticsToBinaryFile(os.path.join(folder, DEFAULT_FILE_NAME))
        )


def layout_of(input_base: str, span: str, settings: Settings) -> Layout:
    """Recognises the files of one span.

    RatingsExampleGen recognised all spans of the window, in a step of its own that may
    have run elsewhere, or long ago if its output is cached.

    Raises:
        SpansError: If the span does not exist.
        BadInputError: If no ratings are recognised in it.
    """
    folder = folder_of(input_base, span)
    paths = files.list_files(folder)
    return recognise_for(settings, paths, folder)


def _record_batches(
    block: Block, layout: Layout, reader: RatingsReader
) -> list[pa.RecordBatch]:
    """Returns a block's good rows in TFDV's form: each cell is a list of one value."""
    batches = []
    for ratings in reader.read(layout.ratings[block.part], block):
        rows = ratings.table.select(COLUMNS).combine_chunks()
        ends = pa.array(range(rows.num_rows + 1), pa.int32())
        for batch in rows.to_batches():
            values = {
                USER_ID: batch[USER_ID].cast(pa.binary()),
                ITEM_ID: batch[ITEM_ID].cast(pa.binary()),
                RATING: batch[RATING],
            }
            lists = [
                pa.ListArray.from_arrays(ends.slice(0, len(array) + 1), array)
                for array in values.values()
            ]
            batches.append(pa.RecordBatch.from_arrays(lists, list(values)))
    return batches
