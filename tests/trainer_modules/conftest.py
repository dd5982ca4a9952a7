"""A planted log, through the real transform graph, and the references."""

import dataclasses
import importlib
import runpy
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.public import tfxio

from trainer_modules import features as f
from trainer_modules import preprocessing, training
from trainer_modules.inputs import Data
from trainer_modules.interactions import Interactions
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served

TESTS = Path(__file__).parents[1]
SCHEMA = TESTS.parent / "schema" / "ratings.pbtxt"

SIDE = 12  # items of each colour of the board
NUM_USERS = 48


@pytest.fixture(scope="session")
def reference():
    """Loads a slow, obvious implementation by its name."""
    return lambda name: SimpleNamespace(
        **runpy.run_path(str(TESTS / "reference" / f"{name}.py"))
    )


@pytest.fixture(scope="session")
def serialize():
    """Makes a serialized tf.train.Example of lists of bytes, floats or integers."""

    def feature(values):
        if not values:
            return tf.train.Feature()
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def example(**lists):
        named = {name: feature(values) for name, values in lists.items()}
        return tf.train.Example(
            features=tf.train.Features(feature=named)
        ).SerializeToString()

    return example


@pytest.fixture(scope="session")
def transform(tmp_path_factory):
    """Runs real TFT; returns its output, and the transformed records of each split.

    They are called with serialized records of each split, of which only ``train`` is
    analysed, as the Transform component does it.
    """

    def run(splits, custom_config):
        folder = tmp_path_factory.mktemp("transform")
        schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
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
                    | f"Encode {split}" >> beam.FlatMap(_encoded, metadata.schema)
                    | f"Write {split}"
                    >> beam.io.WriteToTFRecord(files[split], shard_name_template="")
                )
        return tft.TFTransformOutput(str(folder)), files

    return run


def _encoded(batch_and_passthrough, schema):
    return RecordBatchToExamplesEncoder(schema).encode(batch_and_passthrough[0])


@dataclasses.dataclass(frozen=True)
class Planted:
    """A checkerboard: users like items of their own colour only."""

    output: tft.TFTransformOutput
    data: Data
    records: list[bytes]  # of the eval split, as RatingsExampleGen writes them
    never_rated: dict[bytes, bytes]  # the item of a user's colour that nobody told of


@pytest.fixture(scope="session")
def planted(serialize, transform):
    """Each user liked ten of the twelve items of a colour; the eleventh is for eval."""
    random = np.random.default_rng(1)
    train, held_out, never_rated = [], [], {}
    for user in range(NUM_USERS):
        own = [f"{'bw'[user % 2]}{n:02}".encode() for n in range(SIDE)]
        other = f"{'wb'[user % 2]}{random.integers(SIDE):02}".encode()
        random.shuffle(own)
        user_id = f"u{user:02}".encode()
        never_rated[user_id] = own[11]
        past = [*own[:10], other]
        rating = [*[5.0] * 10, 1.0]
        train.append(serialize(user_id=[user_id], item_id=past, rating=rating))
        held_out.append(
            serialize(
                user_id=[user_id],
                item_id=own[10:11],
                rating=[4.0],
                history_item_id=past,
                history_rating=rating,
            )
        )
    output, files = transform(
        {f.TRAIN_SPLIT: train, f.EVAL_SPLIT: held_out},
        {"label_threshold": "> 3", "min_item_ratings": 1},
    )
    sizes = [
        output.vocabulary_size_by_name(name) + f.NUM_RESERVED
        for name in (f.USER_VOCABULARY, f.ITEM_VOCABULARY)
    ]
    data = Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        *sizes,
        num_unknown_items=0,
    )
    return Planted(output, data, held_out, never_rated)


@pytest.fixture(scope="session")
def build():
    """Makes an untrained model of the registry with its paper's settings, or others."""

    def model(name, num_users, num_items, seed=0, **overrides):
        spec = MODELS[name]
        tf.keras.utils.set_random_seed(seed)
        module = importlib.import_module(f"trainer_modules.models.{name}")
        config = dataclasses.replace(spec.config_class(), **overrides)
        return getattr(module, spec.class_name)(config, num_users, num_items)

    return model


@pytest.fixture(scope="session")
def train(planted, build, tmp_path_factory):
    """Trains a model of the registry on the planted log."""

    def trained(name, seed=0, **overrides):
        model = build(
            name, planted.data.num_users, planted.data.num_items, seed, **overrides
        )
        if MODELS[name].task == "closed_form":
            training.solve(model, planted.data)
        else:
            training.fit(
                model,
                model_config(name, overrides),
                planted.data,
                seed=seed,
                log_dir=str(tmp_path_factory.mktemp("log")),
                name=name,
            )
        return model

    return trained


def model_config(name, overrides):
    return dataclasses.replace(MODELS[name].config_class(), **overrides)


@pytest.fixture(scope="session")
def trained(train):
    """Each model of the registry, trained once with its paper's settings."""
    models = {}

    def model(name):
        if name not in models:
            models[name] = train(name)
        return models[name]

    return model


@pytest.fixture(scope="session")
def served(planted, trained, tmp_path_factory):
    """Each model of the registry as it is served, and the folder of its SavedModel."""
    exported = {}

    def export(name):
        if name not in exported:
            folder = str(tmp_path_factory.mktemp(name))
            serving = Served(
                trained(name),
                planted.output,
                is_logit=MODELS[name].task != "closed_form",
                num_unknown_items=3,
                share_of_users=1.0,
            )
            serving.save(folder)
            exported[name] = serving, folder
        return exported[name]

    return export


@pytest.fixture(scope="session")
def interactions():
    """Makes Interactions of pairs."""

    def of(pairs, num_users, num_items):
        user, item = np.array(pairs, np.int32).reshape(-1, 2).T
        return Interactions.of(user, item, num_users, num_items)

    return of
