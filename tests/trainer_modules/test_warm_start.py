"""A training that starts from the live model, beside plain dictionaries by id.

All four vocabularies are equally long, then and now, so that one taken for another
would go unnoticed but for what it does to the scores.
"""

import dataclasses
import json
import logging
import math
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support.models import build
from trainer_modules import features as f
from trainer_modules.layers.vector_table import VectorTable
from trainer_modules.model_card import ModelCard, write_card
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes
from trainer_modules.warm_start import (
    find_start,
    live_rows,
    read_vocabularies,
    write_item_values,
)

GRADIENT_MODELS = [name for name, spec in MODELS.items() if spec.is_fitted]
# A user's jobs and an item's genres, whenever there is such a user or item.
JOBS = {b"ann": ["cook", "poet"], b"bob": ["nurse"], b"cid": [], b"dan": ["poet"]}
JOBS |= {b"eve": ["nurse", "cook"], b"new": ["cook"]}
GENRES = {b"p": ["War"], b"q": ["War", "Drama"], b"r": [], b"s": ["Noir"]}
GENRES |= {b"t": ["Drama"], b"fresh": ["Noir"]}
FIELDS = ["user_job_index", "user_taste_vector", "item_genres", "item_cover"]
SPLIT = {"kind": "temporal", "seed": 0}


@dataclasses.dataclass(frozen=True)
class Then:
    """Vocabularies, in the order of a training."""

    user: list[bytes]
    item: list[bytes]
    jobs: list[str]
    genres: list[str]

    def index(self, vocabulary, entry):
        return 2 + vocabulary.index(entry) if entry in vocabulary else 1

    def vocabularies(self):
        return {
            "user": self.user,
            "item": self.item,
            "user_value": [f"user_job={job}".encode() for job in self.jobs],
            "item_value": [f"item_genres={genre}".encode() for genre in self.genres],
        }

    def sizes(self):
        genres = np.zeros([2 + len(self.item), 2], np.int32)
        for row, item in enumerate(self.item, start=2):
            for column, genre in enumerate(GENRES[item]):
                genres[row, column] = self.index(self.genres, genre)
        covers = np.zeros([2 + len(self.item), 3], np.float32)
        covers[2:] = [vector(item, 3) for item in self.item]
        return Sizes(
            num_users=2 + len(self.user),
            num_items=2 + len(self.item),
            user_fields=("user_job_index", "user_taste_vector"),
            user_vectors={"user_taste_vector": 2},
            num_user_values=2 + len(self.jobs),
            item_fields={"item_genres": genres, "item_cover": covers},
            num_item_values=2 + len(self.genres),
            num_context_fields=2,
            num_context_values=6,
            mean_rating=3.5,
        )

    def pairs(self, users, items):
        """What a model reads: each user beside all items, having rated the first."""
        jobs = [[self.index(self.jobs, job) for job in JOBS[user]] for user in users]
        item_index = [self.index(self.item, item) for item in items]
        return {
            f.USER_INDEX: tf.constant([self.index(self.user, user) for user in users]),
            "user_job_index": tf.constant([(own + [0, 0])[:2] for own in jobs]),
            "user_taste_vector": tf.constant([vector(user, 2) for user in users]),
            f.ITEM_INDEX: tf.constant([item_index] * len(users)),
            f.HISTORY_ITEM_INDEX: tf.constant([item_index[:1]] * len(users), tf.int64),
            f.HISTORY_LABEL: tf.constant([[1]] * len(users), tf.int64),
            f.HISTORY_TIMESTAMP: tf.constant([[9]] * len(users), tf.int64),
            f.CONTEXT: tf.constant([[2, 5]] * len(users)),
        }


LIVE = Then(
    user=[b"ann", b"bob", b"cid", b"dan", b"eve"],
    item=[b"p", b"q", b"r", b"s", b"t"],
    jobs=["cook", "poet", "nurse", "monk", "thief"],
    genres=["Drama", "War", "Noir", "Epic", "Silent"],
)
NOW = Then(  # another order; one of each is gone, and one is new
    user=[b"eve", b"new", b"dan", b"ann", b"cid"],
    item=[b"t", b"s", b"fresh", b"q", b"p"],
    jobs=["nurse", "monk", "cook", "smith", "poet"],
    genres=["Noir", "Drama", "Opera", "War", "Epic"],
)


def vector(entry, length):
    """A vector that is the same then and now."""
    return [math.sin((n + 1) * zlib.crc32(entry)) for n in range(length)]


def card_of(name, config, **more):
    config = dataclasses.asdict(config)
    return ModelCard(name, 1, config, fields=FIELDS, split=SPLIT, **more)


@pytest.fixture
def live(tmp_path):
    """Leaves a model of the live data in a folder as an exported one's is."""

    def exported(name, **overrides):
        model = build(name, LIVE.sizes(), **overrides)
        model(LIVE.pairs(LIVE.user, LIVE.item))
        random = np.random.default_rng(7)
        for weight in model.weights:
            weight.assign(random.normal(0, 0.5, weight.shape))
        folder = str(tmp_path / "live")
        vocabularies = LIVE.vocabularies()
        (tmp_path / "live" / "assets").mkdir(parents=True)
        for vocabulary, file in (
            ("user", "user_id"),
            ("item", "item_id"),
            ("user_value", "user_feature"),
        ):
            lines = b"".join(entry + b"\n" for entry in vocabularies[vocabulary])
            Path(folder, "assets", file).write_bytes(lines)
        tf.train.Checkpoint(model=model).write(f"{folder}/variables/variables")
        config = dataclasses.replace(MODELS[name].config_class(), **overrides)
        write_card(folder, card_of(name, config, origin="Trainer/7"))
        write_item_values(folder, vocabularies["item_value"])
        return folder, model

    return exported


@pytest.fixture
def started(live):
    """A model of the data of now that starts from a live one: both, and the start."""

    def both(name, then=NOW, **overrides):
        folder, old = live(name, **overrides)
        new = build(name, then.sizes(), seed=1, **overrides)
        config = dataclasses.replace(MODELS[name].config_class(), **overrides)
        start = find_start(
            folder, new, then.sizes(), then.vocabularies, card_of(name, config)
        )
        start.give(new, then.sizes())
        return old, new, start

    return both


@pytest.mark.parametrize("name", GRADIENT_MODELS)
def test_before_it_is_trained_a_model_scores_as_the_live_one(name, started):
    old, new, start = started(name)
    assert start.warm_start == {
        "from": "Trainer/7",
        "users_kept": 4,
        "items_kept": 4,
        "new_users": 1,
        "new_items": 1,
    }
    assert start.from_scratch is None
    # The first is new to the live model, which scores it as any unknown user.
    users, items = [b"new", b"ann", b"cid", b"dan", b"eve"], [b"q", b"p", b"s", b"t"]
    expected = old(LIVE.pairs(users, items)).numpy()
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(new(NOW.pairs(users, items)), expected, rtol=1e-4)


@pytest.mark.parametrize("name", GRADIENT_MODELS)
def test_whatever_grows_with_a_vocabulary_says_with_which(name):
    def shapes(sizes):
        model = build(name, sizes)
        lists = dict.fromkeys(("user_job_index", f.ITEM_INDEX), tf.constant([[1]]))
        history = tf.constant([[1]], tf.int64)
        model(
            {f.USER_INDEX: tf.constant([1]), **lists}
            | {f.HISTORY_ITEM_INDEX: history, f.HISTORY_LABEL: history}
            | {f.HISTORY_TIMESTAMP: history}
        )
        paths = model.get_weight_paths()
        assert len(paths) == len(model.weights)
        return model, {path: tuple(weight.shape) for path, weight in paths.items()}

    def sizes(users, items, jobs, genres):
        table = {"item_genres": np.zeros([items, 2], np.int32)}
        return Sizes(
            users,
            items,
            user_fields=("user_job_index",),
            num_user_values=jobs,
            item_fields=table,
            num_item_values=genres,
        )

    small, large = sizes(11, 13, 17, 19), sizes(23, 29, 31, 37)
    model, before = shapes(small)
    _, after = shapes(large)
    grown = {path for path in before if before[path] != after[path]}
    tables = {
        path: layer
        for layer in model.submodules
        if isinstance(layer, VectorTable)
        for path, weight in model.get_weight_paths().items()
        if weight is layer.embeddings
    }
    assert grown == set(tables)
    for path, table in tables.items():
        expected = [small.rows(table.vocabulary), large.rows(table.vocabulary)]
        assert [before[path][0], after[path][0]] == expected, path


def assert_rows_are_those_of_the_same_ids(old, new):
    for table, then, now in (
        ("user", LIVE.user, NOW.user),
        ("item", LIVE.item, NOW.item),
        ("user_value", LIVE.jobs, NOW.jobs),
        ("item_value", LIVE.genres, NOW.genres),
    ):
        for layers in ("embeddings", "linear.weights_of_values"):
            path = f"{layers}.{table}.embeddings"
            before = old.get_weight_paths()[path].numpy()
            after = new.get_weight_paths()[path].numpy()
            by_id = dict(zip(then, before[2:], strict=True))
            expected = [before[0], before[1], *(by_id.get(id, before[1]) for id in now)]
            np.testing.assert_array_equal(after, expected, err_msg=path)


def test_rows_are_those_of_the_same_ids(started):
    old, new, _ = started("deepfm")
    assert_rows_are_those_of_the_same_ids(old, new)


@pytest.mark.usefixtures("_mixed_float16")
def test_rows_are_those_of_the_same_ids_in_mixed_precision(started):
    old, new, _ = started("deepfm")
    assert_rows_are_those_of_the_same_ids(old, new)


def test_a_row_without_an_id_of_then_is_the_unknown_one():
    assert live_rows([b"a", b"b"], [b"b", b"c", b"a", b"d"]).tolist() == [
        0, 1, 3, 1, 2, 1,
    ]  # fmt: skip
    assert live_rows([], [b"a"]).tolist() == [0, 1, 1]


def test_more_and_fewer_ids_than_then(started):
    grown = dataclasses.replace(NOW, user=[b"new", *LIVE.user], item=[b"s", b"p"])
    old, new, start = started("neumf", grown)
    assert (start.warm_start["users_kept"], start.warm_start["new_users"]) == (5, 1)
    assert (start.warm_start["items_kept"], start.warm_start["new_items"]) == (2, 0)
    expected = old(LIVE.pairs(LIVE.user, [b"p", b"s"]))
    scores = new(grown.pairs(LIVE.user, [b"p", b"s"]))
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def found(folder, model, card):
    """Returns a start, and what was logged about it."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    log = logging.getLogger("marquee.progress")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    start = find_start(folder, model, NOW.sizes(), NOW.vocabularies, card)
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)
    return start, said


def test_a_warm_start_is_said(live):
    folder, _ = live("gmf")
    card = card_of("gmf", MODELS["gmf"].config_class())
    _, said = found(folder, build("gmf", NOW.sizes()), card)
    assert said == [
        "gmf starts from the live model, with 4 of its users and 4 of its items; "
        "1 users and 1 items are new"
    ]


def test_how_it_learns_may_have_changed(live):
    folder, _ = live("gmf", epochs=3, learning_rate=0.1)
    card = card_of("gmf", MODELS["gmf"].config_class(refit=True))
    start, _ = found(folder, build("gmf", NOW.sizes()), card)
    assert start.weights


def cold(**changes):
    """Changes something of a live folder's card."""

    def change(folder):
        path = Path(folder, f.CARD_FILE)
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def shorter(file):
    def change(folder):
        path = Path(folder, "assets", file)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))

    return change


def without(pattern):
    def change(folder):
        [path] = Path(folder).glob(pattern)
        path.unlink()

    return change


REFITTED = dataclasses.asdict(MODELS["gmf"].config_class(refit=True))
OTHER_DIM = dataclasses.asdict(MODELS["gmf"].config_class(embedding_dim=4))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cold(model="neumf"), "is neumf, not gmf"),
        (cold(fields=FIELDS[::-1]), r"reads the fields \['item_cover', 'item_gen"),
        (cold(context={"fields": ["hour"]}), "reads the times' fields {'fields': .*no"),
        (cold(split={"kind": "random"}), "with the split {'kind': 'random'}, not {'k"),
        (cold(config=REFITTED), r"has learnt from the eval split too \(refit\)"),
        (cold(config=OTHER_DIM), "has the embedding_dim 4, not 8"),
        (cold(config={}), "has no setting task; the new one has retrieval"),
        (shorter("user_id"), "user.embeddings has 7 rows, and its vocabulary 4 entr"),
        (shorter("item_id"), "item.embeddings has 7 rows, and its vocabulary 4 entr"),
        (without("variables/*.index"), "cannot be read: .*variables"),
        (without("assets/user_feature"), "cannot be read: .*user_feature"),
        (without("assets.extra/item_values.json"), "cannot be read: .*item_values"),
        (without("assets.extra/marquee.json"), "cannot be read: .*marquee.json"),
    ],
)
def test_what_does_not_fit_starts_from_scratch_and_is_said(live, change, reason):
    folder, _ = live("gmf")
    change(folder)
    model, sizes = build("gmf", NOW.sizes()), NOW.sizes()
    start, said = found(folder, model, card_of("gmf", MODELS["gmf"].config_class()))
    assert start.warm_start is None
    assert re.search(reason, start.from_scratch)
    assert said == [f"gmf starts from scratch: {start.from_scratch}"]
    again = build("gmf", sizes)
    start.give(again, sizes)
    for table in (again.product.embeddings.user, again.product.embeddings.item):
        assert not table.weights  # not even made: training draws what it would have


def test_another_architecture_with_the_same_settings_starts_from_scratch(live):
    """As after an edit of the model's code."""
    folder, _ = live("mlp")
    cold(model="gmf", config=card_of("gmf", MODELS["gmf"].config_class()).config)(
        folder
    )
    card = card_of("gmf", MODELS["gmf"].config_class())
    start, _ = found(folder, build("gmf", NOW.sizes()), card)
    assert start.from_scratch == "the live model has no variable product.h"


def test_another_shape_with_the_same_settings_starts_from_scratch(live):
    folder, _ = live("gmf", embedding_dim=4)
    card = card_of("gmf", MODELS["gmf"].config_class())
    cold(config=card.config)(folder)
    start, _ = found(folder, build("gmf", NOW.sizes()), card)
    assert start.from_scratch == (
        "the live model's product.h would be [4], and [8] is needed"
    )


def test_the_graph_of_the_live_model_is_never_loaded(live, tmp_path):
    """Only its weights are read: what its operations would do is not done."""
    written, hostile = tmp_path / "written", tmp_path / "hostile"

    @tf.function(input_signature=[])
    def serve():
        tf.raw_ops.WriteFile(filename=str(written), contents="x")
        return {"score": tf.constant(1.0)}

    tf.saved_model.save(tf.Module(), str(hostile), signatures=serve)
    folder, _ = live("gmf")
    (hostile / "saved_model.pb").rename(Path(folder, "saved_model.pb"))
    new = build("gmf", NOW.sizes(), seed=1)
    told = card_of("gmf", MODELS["gmf"].config_class())
    start = find_start(folder, new, NOW.sizes(), NOW.vocabularies, told)
    assert start.from_scratch is None
    Path(folder, "saved_model.pb").write_bytes(b"no graph at all")
    start = find_start(folder, new, NOW.sizes(), NOW.vocabularies, told)
    assert start.from_scratch is None
    assert not written.exists()


def test_nothing_live_starts_from_scratch():
    card = card_of("gmf", MODELS["gmf"].config_class())
    start, said = found(None, build("gmf", NOW.sizes()), card)
    assert (
        start.from_scratch
        == "there is no live model, or it was trained on the same data"
    )
    assert said == [f"gmf starts from scratch: {start.from_scratch}"]


@pytest.mark.parametrize("name", ["neumf", "deepfm"])
def test_an_exported_model_is_a_start(name, serve, planted, tmp_path):
    """The real export, in which a Keras model's variables have numbers for names."""
    sizes, output = planted.data.sizes, planted.output
    old = build(name, sizes)
    served = serve(old, "logit")
    folder = str(tmp_path / "live")
    served.save(folder)
    values = [b"%d" % n for n in range(sizes.num_item_values - 2)]
    write_item_values(folder, values)
    config = MODELS[name].config_class()
    write_card(folder, card_of(name, config, origin="Trainer/1"))
    read = read_vocabularies(folder, values)
    assert read == {
        "user": output.vocabulary_by_name("user_id"),
        "item": output.vocabulary_by_name("item_id"),
        "user_value": output.vocabulary_by_name("user_feature"),
        "item_value": values,
    }
    assert read_vocabularies(output.transform_savedmodel_dir, values) == read

    turned = {name: entries[::-1] for name, entries in read.items()}
    new = build(name, sizes, seed=1)
    start = find_start(folder, new, sizes, lambda: turned, card_of(name, config))
    assert start.from_scratch is None
    start.give(new, sizes)
    number = 0
    for path, weight in old.get_weight_paths().items():
        expected, is_table = weight.numpy(), path.endswith(".embeddings")
        if is_table:
            expected = np.concatenate([expected[:2], expected[:1:-1]])
        number += is_table
        np.testing.assert_array_equal(new.get_weight_paths()[path], expected, path)
    assert number == {"neumf": 4, "deepfm": 8}[name]
    serve(new, "logit").save(str(tmp_path / "again"))  # goes the same way
