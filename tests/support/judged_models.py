"""Models that the pipeline's own steps train and judge in this process, and serve."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import tensorflow as tf
from tfx import v1 as tfx

from components.anomaly_gate.schema import CURATED_SCHEMA
from components.live_models import push
from pipeline.config.load import load_config
from pipeline.pipeline import Places, create_pipeline
from pipeline.runs.local_runner import run_locally
from pipeline.runs.step_outputs import newest_output
from pipeline.stages.prepare import Source
from tests.support.metadata_store import accept
from tests.support.run_record import write_record
from trainer_modules.model_card import read_card, write_card

STEPS = ("RatingsExampleGen", "CatalogueGen", "ImportSchemaGen", "Transform")
MIN_RATINGS = 4  # in train; items with fewer have no row of their own
# A model of each kind: closed forms, and one of each task.
MODELS = {
    "popularity": "{}",
    "mf_als": "{embedding_dim: 8, epochs: 3}",
    "item_knn": "{num_neighbours: 5}",
    "ease": "{l2: 5}",
    "gmf": "{epochs: 2, refit: %s}",
    "fm": "{epochs: 2, refit: %s, embedding_dim: 4}",
    "two_tower": "{epochs: 2, refit: %s, embedding_dim: 8, hidden_units: [8]}",
    "mf_sgd": "{epochs: 2, refit: %s, embedding_dim: 4}",
    "attrec": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
    "sasrec": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
    "hstu": "{epochs: 2, refit: %s, embedding_dim: 8, max_history_length: 4}",
    "two_stage": (
        "{candidates: 9, retrieval_settings: {epochs: 2, refit: %s, embedding_dim: 8},"
        " ranking_settings: {epochs: 2, refit: %s, embedding_dim: 4}}"
    ),
}
DAY, START = 86_400, 978_300_000
GENRES = ("Drama", "War", "Comedy", "Western", "Noir", "Children's")


def write_log(folder):
    """MovieLens's layout: late users and items, equal times, liked and disliked."""
    random = np.random.default_rng(3)
    folder.mkdir()
    lines = []
    for user in range(1, 61):
        first = 0 if user <= 50 else 48  # the last ten come late
        # Items above 40 are rated late and by few, and many times are equal.
        for item in random.choice(52, random.integers(2, 16), replace=False) + 1:
            day = max(first, 45 if item > 40 else 0) + random.integers(0, 12)
            stars = random.choice([1, 2, 3, 4, 5], p=[0.1, 0.1, 0.2, 0.3, 0.3])
            lines.append(f"{user}::{item}::{stars}::{START + day * DAY}")
    random.shuffle(lines)
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    (folder / "users.dat").write_text(
        "".join(f"{u}::{'FM'[u % 2]}::{(18, 25, 35)[u % 3]}::{u % 4}::{u % 5}1234\n"
                for u in range(1, 61))
    )  # fmt: skip
    (folder / "movies.dat").write_text(
        "".join(f"{i}::Film {i} (1999)::{genres_of(i)}\n" for i in range(1, 53))
    )


def genres_of(item):
    """Returns genres that no other item has: items without a row would be tied.

    Ranks of tied items depend on the rounding of the machine.
    """
    return "|".join(name for bit, name in enumerate(GENRES) if item >> bit & 1)


def judged_by_pipeline(tmp_path, kind, refit, models, more=()):
    """Runs the steps up to the Evaluators: the folder of the run."""
    out = tmp_path / "out"
    out.mkdir()
    settings = [f"split.kind={kind}", f"vocabulary.min_item_ratings={MIN_RATINGS}"]
    settings += [
        f"models.{name}={MODELS[name].replace('%s', str(refit).lower())}"
        for name in models
    ]
    settings += more
    whole = create_pipeline(
        load_config(None, settings),
        Source(str(tmp_path / "log")),
        Places(
            str(out / "artifacts"),
            str(out / "live"),
            CURATED_SCHEMA,
            tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(out / "metadata.sqlite")
            ),
        ),
    )
    wanted = {*STEPS, *(f"{s}_{m}" for s in ("Trainer", "Evaluator") for m in models)}
    steps = [step for step in whole.components if step.id in wanted]
    for step in steps:
        for before in set(step.upstream_nodes) - set(steps):
            step.remove_upstream_node(before)
        for after in set(step.downstream_nodes) - set(steps):
            step.remove_downstream_node(after)
    part = tfx.dsl.Pipeline(
        pipeline_name="judging",
        pipeline_root=str(out / "artifacts"),
        components=steps,
        metadata_connection_config=whole.metadata_connection_config,
        beam_pipeline_args=["--runner=DirectRunner"],
    )
    for step in run_locally(part, "r1", lambda _: None, lambda _: None):
        assert step.state == "done", step
    return out


def example(user, history, candidates, at=None):
    """Returns a request for scores, with everything that a test record has."""
    made = tf.train.Example()
    feature = made.features.feature
    strings = {
        "user_id": [user],
        "candidate_item_id": candidates,
        "history_item_id": [item for item, *_ in history],
        "user_gender": ["FM"[int(user) % 2]],
        "user_age": [str((18, 25, 35)[int(user) % 3])],
        "user_occupation": [str(int(user) % 4)],
        "user_zip": [f"{int(user) % 5}1234"],
    }
    for name, values in strings.items():
        feature[name].bytes_list.value.extend(value.encode() for value in values)
    feature["history_rating"].float_list.value.extend(s for _, s, _ in history)
    feature["history_timestamp"].int64_list.value.extend(t for *_, t in history)
    if at is not None:
        feature["request_timestamp"].int64_list.value.append(at)
    return made.SerializeToString()


def exported(out, name):
    return Path(newest_output(out, f"Trainer_{name}", "model"), "Format-Serving")


def served_from(out, tmp_path):
    """Makes the folder from which a model is served to users as of before the test.

    Of the test split it has who the users are, and nothing that they rated.
    """
    made = newest_output(out, "RatingsExampleGen", "examples")
    examples = tmp_path / "artifacts/RatingsExampleGen/examples/9"
    for split in ("train", "eval"):
        shutil.copytree(f"{made}/Split-{split}", examples / f"Split-{split}")
    (examples / "Split-test").mkdir()
    for file in Path(made, "Split-test").iterdir():
        with tf.io.TFRecordWriter(f"{examples}/Split-test/{file.name}", "GZIP") as to:
            for record in tf.data.TFRecordDataset(str(file), "GZIP"):
                whole = tf.train.Example.FromString(record.numpy())
                known = tf.train.Example()
                for name, feature in whole.features.feature.items():
                    if name.startswith("user_"):
                        known.features.feature[name].CopyFrom(feature)
                to.write(known.SerializeToString())
    shutil.copytree(
        newest_output(out, "CatalogueGen", "catalogue"),
        tmp_path / "artifacts/CatalogueGen/catalogue/10",
    )

    def push_model(name):
        origin = f"Trainer_{name}/model/1"
        accept(tmp_path, 9, run=name, model=origin)
        write_record(tmp_path, name)
        folder = tmp_path / "models" / name
        shutil.copytree(exported(out, name), folder)
        card = read_card(str(folder))
        write_card(str(folder), msgspec.structs.replace(card, origin=origin))
        return push.push(folder, tmp_path / "live", keep=99)

    return SimpleNamespace(out=tmp_path, push=push_model)


def wait_for(client, version):
    """Waits until a version makes the lists."""
    end = time.monotonic() + 120
    while client.get("/v1/recommend/1?k=1").json().get("version") != version:
        assert time.monotonic() < end, client.log.read_text()[-3000:]
        time.sleep(0.1)
