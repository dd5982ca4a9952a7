"""The executor of CatalogueGen."""

import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.catalogue_gen import catalogue
from components.catalogue_gen.reader import (
    describe_items,
    find_items,
    no_items,
    paths_read,
    read_items,
)
from components.exec_properties import ExecProperties
from components.ratings_example_gen import Settings
from components.ratings_example_gen.fingerprints import unchanged
from trainer_modules import features

# Beside the catalogue: how the file of items and the ratings overlap.
COUNTS_FILE = "counts.json"
# The counts that become custom properties of the artifact.
COUNTED = (
    "items",
    "items_without_features",
    "items_never_rated",
    "items_first_rated_in_test",
)
# Records decoded at once: a few megabytes of ids for users with 1,000 ratings.
_RECORDS = 512


def rated_items(examples: types.Artifact, split: str) -> set[str]:
    """Returns the distinct item ids in a split of an Examples artifact."""
    [uri] = artifact_utils.get_split_uris([examples], split)
    paths = sorted(fileio.glob(f"{uri}/*"))
    spec = {features.ITEM_ID: tf.io.RaggedFeature(tf.string)}
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP").batch(_RECORDS)
    ids: set[bytes] = set()
    for batch in records.map(lambda r: tf.io.parse_example(r, spec)):
        ids.update(tf.unique(batch[features.ITEM_ID].flat_values).y.numpy().tolist())
    return {item_id.decode() for item_id in ids}


class Executor(base_executor.BaseExecutor):
    """Writes ``catalogue.parquet``, and records how it overlaps with the ratings."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: ExecProperties,
    ) -> None:
        """Reads the file of items, if there is one, and joins it with the ratings.

        Raises:
            BadInputError: If the file has bad rows, or changed meanwhile.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        rated: set[str] = set()
        before_test: set[str] = set()
        for examples in input_dict["examples"]:
            for split in artifact_utils.decode_split_names(examples.split_names):
                found = rated_items(examples, split)
                rated |= found
                before_test |= found if split != features.TEST_SPLIT else set()
        part = find_items(exec_properties)
        items = no_items()
        if part:
            settings = Settings.from_json(exec_properties["settings"])
            expected = exec_properties.get("items_fingerprint")
            with unchanged(paths_read(part), expected):
                items = read_items(describe_items(part, settings))
        table, counts = catalogue.join(items.table, rated)
        artifact = artifact_utils.get_single_instance(output_dict["catalogue"])
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        with fileio.open(f"{artifact.uri}/{features.CATALOGUE_FILE}", "wb") as file:
            file.write(sink.getvalue().to_pybytes())
        overlap = {
            **dataclasses.asdict(counts),
            "items_first_rated_in_test": len(rated - before_test),
            "file": part.name if part else None,
            "repeated": items.num_duplicates,
        }
        with fileio.open(f"{artifact.uri}/{COUNTS_FILE}", "w") as file:
            file.write(json.dumps(overlap, ensure_ascii=False))
        for name in COUNTED:
            artifact.set_int_custom_property(name, overlap[name])
