"""The executor of CatalogueGen."""

import dataclasses
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.catalogue_gen import catalogue, reader
from components.ratings_example_gen.fingerprints import unchanged
from trainer_modules import features

# Records decoded at once: some megabytes of ids for users with 1,000 ratings.
_RECORDS = 512


def rated_items(examples: types.Artifact) -> set[str]:
    """Returns the distinct item ids in all splits of an Examples artifact."""
    splits = artifact_utils.decode_split_names(examples.split_names)
    uris = [uri for s in splits for uri in artifact_utils.get_split_uris([examples], s)]
    paths = sorted(path for uri in uris for path in fileio.glob(f"{uri}/*"))
    spec = {features.ITEM_ID: tf.io.RaggedFeature(tf.string)}
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP").batch(_RECORDS)
    ids: set[bytes] = set()
    for batch in records.map(lambda r: tf.io.parse_example(r, spec)):
        ids.update(tf.unique(batch[features.ITEM_ID].flat_values).y.numpy().tolist())
    return {item_id.decode() for item_id in ids}


def find_items(exec_properties: dict[str, Any]) -> str:
    """Where the items are; empty where there are none.

    The driver asks it for the cache, and the executor again: where a runner has no
    drivers, nobody has asked before.
    """
    return exec_properties["items"] or reader.items_beside(exec_properties["ratings"])


class Executor(base_executor.BaseExecutor):
    """Writes ``catalogue.parquet`` and records how many items are known."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads the items file, if there is one.

        Raises:
            BadInputError: When the items file has bad rows, or changed meanwhile.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        rated: set[str] = set()
        for examples in input_dict["examples"]:
            rated |= rated_items(examples)
        path = find_items(exec_properties)
        nothing = {features.ITEM_ID: pa.array([], pa.string())}
        nothing[reader.TITLE] = pa.array([], pa.string())
        if path:
            expected = exec_properties.get("items_fingerprint")
            with unchanged(reader.paths_read(path), expected):
                items = reader.read_items(path)
        else:
            items = pa.table(nothing)
        table, counts = catalogue.join(items, rated)
        artifact = artifact_utils.get_single_instance(output_dict["catalogue"])
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        with fileio.open(f"{artifact.uri}/{features.CATALOGUE_FILE}", "wb") as file:
            file.write(sink.getvalue().to_pybytes())
        for name, count in dataclasses.asdict(counts).items():
            artifact.set_int_custom_property(name, count)
