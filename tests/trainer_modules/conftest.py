"""A planted log, through the real transform graph, and the references."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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
from trainer_modules.beyond_accuracy import ListStatistics
from trainer_modules.inputs import Data
from trainer_modules.interactions import Interactions
from trainer_modules.registry import MODELS
from trainer_modules.signatures import Served
from trainer_modules.sizes import Sizes, read_item_fields, user_fields

TESTS = Path(__file__).parents[1]
SCHEMA = TESTS.parent / "schema" / "ratings.pbtxt"

TRANSFORM_CONFIG = {
    "label_threshold": "> 3",
    "label_negative": None,
    "min_item_ratings": 1,
    "leave_out": [],
}
SIDE = 12  # items of each colour of the board
NUM_USERS = 48
# What is known of users and items beside their ids; nothing of it tells the colour.
GENDERS = [[b"F"], [b"M"], []]
OCCUPATIONS = [[b"cook", b"poet"], [b"cook"], [], [b"nurse", b"poet", b"cook"]]
GENRES = [["Drama", "War"], [], ["War"], ["Comedy", "Drama", "War"]]


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


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    """Writes items with their features as CatalogueGen does; returns the folder."""

    def write(item_ids, **lists):
        folder = tmp_path_factory.mktemp("catalogue")
        columns = {f.ITEM_ID: pa.array(item_ids, pa.string())} | {
            name: pa.array(values, pa.list_(pa.string()))
            for name, values in lists.items()
        }
        pq.write_table(pa.table(columns), folder / f.CATALOGUE_FILE)
        return str(folder)

    return write


@dataclasses.dataclass(frozen=True)
class Planted:
    """A checkerboard: users like items of their own colour only."""

    output: tft.TFTransformOutput
    data: Data
    records: list[bytes]  # of the eval split, as RatingsExampleGen writes them
    never_rated: dict[bytes, bytes]  # the item of a user's colour that nobody told of


@pytest.fixture(scope="session")
def planted(serialize, transform, catalogue):
    """Users rate eleven of the twelve items of their colour, and five of the other.

    The last of either are for eval.
    """
    random, in_time = np.random.default_rng(1), np.random.default_rng(2)
    train, held_out, never_rated = [], [], {}
    for user in range(NUM_USERS):
        own, other = (
            [f"{colour}{n:02}".encode() for n in random.permutation(SIDE)]
            for colour in ("bw", "wb")[user % 2]
        )
        never_rated[f"u{user:02}".encode()] = own[11]
        # In an order in time that tells nothing, or it would be what next_item learns.
        stars = [*[(i, 5.0) for i in own[:10]], *[(i, 1.0) for i in other[:4]]]
        past, rating = zip(*(stars[n] for n in in_time.permutation(14)), strict=True)
        known = {
            "user_id": [f"u{user:02}".encode()],
            "user_gender": GENDERS[user % 3],
            "user_occupation": OCCUPATIONS[user // 2 % 4],
        }
        train.append(serialize(item_id=past, rating=rating, **known))
        held_out.append(
            serialize(
                item_id=[own[10], other[4]],
                rating=[4.0, 2.0],
                history_item_id=past,
                history_rating=rating,
                **known,
            )
        )
    output, files = transform(
        {f.TRAIN_SPLIT: train, f.EVAL_SPLIT: held_out},
        TRANSFORM_CONFIG,
    )
    items = [f"{colour}{n:02}" for colour in "bw" for n in range(SIDE)]
    genres = [GENRES[n % 4] for n in range(len(items))]
    folder = catalogue([*items, "rare"], item_genres=[*genres, ["Western"]])
    item_ids, user_values = (
        output.vocabulary_by_name(name)
        for name in (f.ITEM_VOCABULARY, f.USER_FEATURE_VOCABULARY)
    )
    item_fields, item_values = read_item_fields(folder, item_ids)
    sizes = Sizes(
        num_users=NUM_USERS + f.NUM_RESERVED,
        num_items=len(items) + f.NUM_RESERVED,
        user_fields=user_fields(user_values),
        num_user_values=len(user_values) + f.NUM_RESERVED,
        item_fields=item_fields,
        num_item_values=len(item_values) + f.NUM_RESERVED,
    )
    data = Data(
        [files[f.TRAIN_SPLIT]],
        [files[f.EVAL_SPLIT]],
        output.transformed_feature_spec(),
        sizes,
        num_unknown_items=0,
    )
    return Planted(output, data, held_out, never_rated)


@pytest.fixture(scope="session")
def transformed_log(planted, serialize, tmp_path_factory):
    """Writes transformed records of (item, label, stars) by user; without fields."""
    spec = planted.data.feature_spec

    def record(user, targets, history):
        lists = {
            f.ITEM_INDEX: [item for item, _, _ in targets],
            f.LABEL: [label for _, label, _ in targets],
            f.RATING: [stars for _, _, stars in targets],
            f.HISTORY_ITEM_INDEX: [item for item, _, _ in history],
            f.HISTORY_LABEL: [label for _, label, _ in history],
        }
        named = {spec[name].value_key: values for name, values in lists.items()}
        return serialize(**{f.USER_INDEX: [user]}, **named)

    def data(train, held_out, num_users, num_items, num_unknown_items=0):
        folder = tmp_path_factory.mktemp("log")
        records = {
            f.TRAIN_SPLIT: [record(user, rated, []) for user, rated in train.items()],
            f.EVAL_SPLIT: [
                record(user, targets, train.get(user, []))
                for user, targets in held_out.items()
            ],
        }
        for split, serialized in records.items():
            with tf.io.TFRecordWriter(str(folder / split), "GZIP") as writer:
                for each in serialized:
                    writer.write(each)
        return Data(
            [str(folder / f.TRAIN_SPLIT)],
            [str(folder / f.EVAL_SPLIT)],
            spec,
            Sizes(num_users, num_items),
            num_unknown_items,
        )

    return data


@pytest.fixture(scope="session")
def build():
    """Makes an untrained model of the registry with its paper's settings, or others."""

    def model(name, sizes, seed=0, **overrides):
        tf.keras.utils.set_random_seed(seed)
        return MODELS[name].load_class()(configured(name, overrides), sizes)

    return model


@pytest.fixture(scope="session")
def train(planted, build, tmp_path_factory):
    """Trains a model of the registry on the planted log."""

    def trained(name, seed=0, **overrides):
        model = build(name, planted.data.sizes, seed, **overrides)
        if MODELS[name].task == "closed_form":
            training.solve(model, planted.data)
        else:
            training.fit(
                model,
                configured(name, overrides),
                planted.data,
                seed=seed,
                log_dir=str(tmp_path_factory.mktemp("log")),
                name=name,
            )
        return model

    return trained


def configured(name, overrides):
    return dataclasses.replace(MODELS[name].config_class(), **overrides)


@pytest.fixture(scope="session")
def trained(train):
    """Each model of the registry, trained once with its paper's settings.

    But for patience: an epoch of so little data is a hundred steps.
    """
    models = {}

    def model(name):
        if name not in models:
            is_fitted = MODELS[name].task != "closed_form"
            models[name] = train(name, **({"patience": 8} if is_fitted else {}))
        return models[name]

    return model


@pytest.fixture(scope="session")
def serve(planted):
    """Joins a model to the planted log's transform graph."""

    def served(model, unit, share_of_users=1.0):
        return Served(
            model,
            planted.output,
            unit=unit,
            user_fields=planted.data.user_fields,
            list_statistics=ListStatistics(
                planted.data.train_ratings, planted.data.sizes
            ),
            num_unknown_items=3,
            share_of_users=share_of_users,
        )

    return served


@pytest.fixture(scope="session")
def served(serve, trained):
    """Each model of the registry as it is served."""
    models = {}

    def model(name):
        if name not in models:
            loss = getattr(configured(name, {}), "loss", None)
            unit = {None: "order", "squared_error": "stars"}.get(loss, "logit")
            models[name] = serve(trained(name), unit)
        return models[name]

    return model


@pytest.fixture
def _mixed_float16():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(scope="session")
def interactions():
    """Makes Interactions of pairs."""

    def of(pairs, num_users, num_items):
        user, item = np.array(pairs, np.int32).reshape(-1, 2).T
        return Interactions.from_pairs(user, item, num_users, num_items)

    return of
