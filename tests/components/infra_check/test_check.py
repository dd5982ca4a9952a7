"""What is reported about models that are probed in processes of their own."""

import dataclasses
import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.catalogue_gen.artifacts import Catalogue
from components.infra_check.check import Budget, check
from components.infra_check.component import CHECKED_FILE, InfraCheck
from components.infra_check.figures import Answer, ServingCheck
from components.infra_check.probe_requests import UNKNOWN_ITEM, UNKNOWN_USER, questions
from tests.support.recommender import RECOMMEND_SIGNATURE, TIMES

pytestmark = pytest.mark.integration

AMPLE = Budget(
    seconds=120, memory_bytes=2_000_000_000, latency_ms=2000, size_bytes=1_000_000
)
ITEMS = ["one", "two", "three", "four"]
MANY_BYTES = {"hungry": 400_000_000, "broken": 40_000_000_000}  # for 1,000 candidates
PARENT_BYTES = 900_000_000  # which are none of the model's


class Answers(tf.Module):
    """Scores an item with the length of its id; has one fault or another."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(self, examples):
        if self.kind == "deaf":  # and slow: some 20 ms
            _, last = tf.while_loop(
                lambda n, x: n < 40,
                lambda n, x: (n + 1, tf.tanh(x @ x)),
                [0, tf.random.uniform([200, 200])],
            )
            return {"score": tf.fill([tf.size(examples), 3], last[0, 0])}
        strings = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
        names = ("user_id", "history_item_id", "candidate_item_id")
        record = tf.io.parse_example(examples, dict.fromkeys(names, strings))
        candidates = record["candidate_item_id"].to_tensor()
        score = tf.cast(tf.strings.length(candidates), tf.float32)
        if self.kind == "broken":
            is_known = tf.reduce_all(record["user_id"].values != UNKNOWN_USER)
            with tf.control_dependencies(
                [tf.Assert(is_known, ["no row of this user"])]
            ):
                has_history = tf.size(record["history_item_id"].values) > 0
            score = tf.where(has_history | (score > 3), score, math.nan)
        if self.kind in MANY_BYTES:
            floats = (
                tf.size(candidates, tf.int64) // 1000 * (MANY_BYTES[self.kind] // 4)
            )
            score += tf.reduce_sum(tf.fill([floats], 0.0))
        return {"score": score}

    @tf.function(input_signature=RECOMMEND_SIGNATURE)
    def recommend(self, user_id, history_item_id, history_rating, user_features, k):
        place = tf.range(k)  # as for a catalogue that is smaller than k
        is_item = place < (0 if self.kind == "deaf" else 2)
        item_id = tf.where(is_item, tf.strings.as_string(place), "")
        score = tf.where(is_item, -tf.cast(place, tf.float32), -math.inf)
        users = [tf.size(user_id), 1]
        return {"item_id": tf.tile([item_id], users), "score": tf.tile([score], users)}

    @tf.function(input_signature=[*RECOMMEND_SIGNATURE, TIMES])
    def recommend_in_time(self, user_id, history_item_id, *more):
        """Has no score unless each item of a history is later than the one before."""
        *others, time = more
        gaps = time[:, 1:] - time[:, :-1]
        is_right = tf.reduce_all(gaps > 0) & (
            tf.shape(time)[1] == tf.shape(history_item_id)[1]
        )
        answer = self.recommend(user_id, history_item_id, *others)
        return {**answer, "score": tf.where(is_right, answer["score"], math.nan)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="item_id"),
            tf.TensorSpec([], tf.int32, name="k"),
        ]
    )
    def similar(self, item_id, k):
        """Has no finite score unless the item is the first one of a list."""
        is_right = tf.reduce_all(item_id == "0")
        score = (
            tf.where(is_right, 0.5, math.nan) if self.kind == "similar" else math.inf
        )
        users = [tf.size(item_id), k]
        return {"item_id": tf.fill(users, "1"), "score": tf.fill(users, score)}


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    def to_folder(kind, folder=None):
        folder = folder or tmp_path_factory.mktemp(kind)
        model = Answers(kind)
        recommend = model.recommend_in_time if kind == "in time" else model.recommend
        signatures = {"serving_default": model.score, "recommend": recommend}
        if "similar" in kind:
            signatures["similar"] = model.similar
        tf.saved_model.save(model, str(folder), signatures=signatures)
        return folder

    return to_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of the Examples and of the catalogue; their first user is u1."""
    folder = tmp_path_factory.mktemp("data")
    split = folder / "examples" / "Split-test"
    split.mkdir(parents=True)
    write_examples(split / "data-00000-of-00002.gz", [])
    people = {"u1": ["two", "three"], "u2": []}
    write_examples(split / "data-00001-of-00002.gz", people.items())
    write_catalogue(folder / "catalogue", ITEMS)
    return folder


def write_examples(path, people):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for user, history in people:
            record = tf.train.Example()
            feature = record.features.feature
            feature["user_id"].bytes_list.value.append(user.encode())
            told = [item.encode() for item in history]
            feature["history_item_id"].bytes_list.value.extend(told)
            writer.write(record.SerializeToString())


def write_catalogue(folder, items):
    folder.mkdir()
    ids = pa.array(items, pa.string())
    pq.write_table(pa.table({"item_id": ids}), folder / "catalogue.parquet")


def examples_in(data):
    return sorted(map(str, (data / "examples" / "Split-test").iterdir()))


@pytest.fixture(scope="module")
def asked(data):
    """Returns the requests of production, with these data."""
    return questions(examples_in(data), str(data / "catalogue"))


@pytest.fixture(scope="module")
def good(save, asked):
    folder = save("good")
    own = np.ones(PARENT_BYTES, np.int8)
    found = check(folder, asked, AMPLE)
    assert own.all()
    return folder, found


@pytest.fixture(scope="module")
def problems(save, asked):
    """Checks a faulty model: what is wrong with it, by question, and the figures."""

    def of_kind(kind, **budget):
        found = check(save(kind), asked, dataclasses.replace(AMPLE, **budget))
        named = dict(problem.partition(": ")[::2] for problem in found.problems)
        assert len(named) == len(found.problems)
        return named, found

    return of_kind


VERDICT = ("check", "blessed", "problems")


# Questions


def test_known_and_unknown_empty_and_many_are_asked_about(asked):
    history = ["two", "three"]
    assert list(asked) == [
        "known user",
        "unknown user",
        "unknown item",
        "empty history",
        "1,000 candidates",
        "a list",
        "a list for an unknown user",
    ]
    candidates = [ITEMS[n % 4] for n in range(1000)]
    assert asked["1,000 candidates"] == {
        "user": ["u1"],
        "history": history,
        "candidates": candidates,
    }
    assert asked["known user"] == {
        "user": ["u1"],
        "history": history,
        "candidates": ITEMS,
    }
    assert asked["unknown user"]["user"] == [UNKNOWN_USER]
    assert asked["unknown item"]["candidates"] == [UNKNOWN_ITEM]
    assert asked["unknown item"]["history"] == [*history, UNKNOWN_ITEM]
    assert asked["empty history"]["history"] == []
    assert asked["a list"] == {"user": ["u1"], "history": history}
    assert asked["a list for an unknown user"] == {
        "user": [UNKNOWN_USER],
        "history": [],
    }


def test_a_model_that_reads_times_is_given_them(problems):
    named, found = problems("in time")
    assert named == {}
    assert found.blessed


def test_items_similar_to_a_listed_one_are_requested_of_models_with_vectors(problems):
    named, found = problems("similar")
    assert named == {}
    assert found.answers["similar items"].num_scores == 10
    named, _ = problems("similar, infinitely")
    assert named == {"similar items": "10 of 10 not finite"}


def test_without_a_user_or_an_item_there_is_nothing_to_ask(data, tmp_path):
    files = examples_in(data)
    with pytest.raises(ValueError, match="no user for a request in .*data-00000-of"):
        questions(files[:1], str(data / "catalogue"))
    write_catalogue(tmp_path / "empty", [])
    with pytest.raises(ValueError, match="empty has no item for a request"):
        questions(files, str(tmp_path / "empty"))


# Answers


def test_a_good_model_has_no_problem_and_figures_of_all(good, asked):
    folder, found = good
    assert found.problems == []
    figures = found
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert figures.size_bytes == sum(len(file.read_bytes()) for file in files)
    assert 0 < figures.load_seconds < AMPLE.seconds
    assert 100_000_000 < figures.peak_bytes < PARENT_BYTES
    answers = dict(figures.answers)
    assert answers.pop("garbage bytes") == Answer()
    assert list(answers) == [*asked, "once more"]
    assert {name: answer.num_scores for name, answer in answers.items()} == {
        "known user": 4,
        "unknown user": 4,
        "unknown item": 1,
        "empty history": 4,
        "1,000 candidates": 1000,
        "a list": 2,  # of ten places
        "a list for an unknown user": 2,
        "once more": 4,
    }
    for answer in answers.values():
        assert 0 < answer.median_ms <= answer.worst_ms
    assert (
        msgspec.json.decode(msgspec.json.encode(figures), type=ServingCheck) == figures
    )


def test_wrong_answers_are_told_by_question(problems):
    named, figures = problems("broken", size_bytes=10_000)
    size = figures.size_bytes / 1e6
    assert size > 0.01
    words = f"its files have {size:,.0f} MB, 0 MB are allowed"
    assert named.pop(words) == ""
    assert set(named) == {"unknown user", "empty history", "1,000 candidates"}
    assert "no row of this user" in named["unknown user"]
    assert named["empty history"] == "2 of 4 not finite"  # one and two
    # It may take more than is resident, and is stopped before the machine has none.
    assert "OOM" in named["1,000 candidates"]
    assert figures.answers["once more"].num_scores is not None  # it went on


def test_answers_that_are_slow_and_to_anything_are_refused(problems):
    named, figures = problems("deaf", latency_ms=1.5)
    assert named.pop("garbage bytes") == "was answered like a valid request"
    for name in ("a list", "a list for an unknown user"):
        assert named.pop(name) == "it returned no score"
    assert set(named) == {
        "known user",
        "unknown user",
        "unknown item",
        "empty history",
        "1,000 candidates",
        "once more",
    }
    for name, words in named.items():
        took = figures.answers[name].median_ms
        assert took > 1.5
        assert words == f"an answer takes {took:.1f} ms, 1.5 are allowed"


def test_a_model_that_takes_too_much_memory_is_refused(good, problems):
    peak = good[1].peak_bytes
    allowed = peak + MANY_BYTES["hungry"] // 2
    named, figures = problems("hungry", memory_bytes=allowed)
    assert figures.peak_bytes > peak + 0.9 * MANY_BYTES["hungry"]
    took = figures.peak_bytes / 1e6
    words = f"it took {took:,.0f} MB of memory, {allowed / 1e6:,.0f} MB are allowed"
    assert named == {words: ""}


def test_a_model_that_comes_to_no_end_is_stopped(good, asked):
    found = check(good[0], asked, dataclasses.replace(AMPLE, seconds=0.5))
    assert found.problems == ["it did not answer all requests in 0.5 s"]
    assert set(msgspec.to_builtins(found)) == {*VERDICT, "size_bytes"}


def test_what_is_no_model_is_told_with_the_end_of_its_process(asked, tmp_path):
    (tmp_path / "readme.txt").write_text("ten chars.")
    found = check(tmp_path, asked, AMPLE)
    [words] = found.problems
    assert words.startswith("its process ended with 1: ")
    assert "SavedModel file does not exist" in words
    assert found == ServingCheck("process", False, [words], size_bytes=10)


# The component


@pytest.fixture
def bless(data, tmp_path):
    """Runs InfraCheck and returns the blessing and the report beside it."""

    def run(model_folder, seconds=120.0):
        model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
        catalogue, blessing = Catalogue(), standard_artifacts.InfraBlessing()
        model.uri = str(model_folder)
        examples.uri, catalogue.uri = str(data / "examples"), str(data / "catalogue")
        examples.split_names = '["train", "test"]'
        blessing.uri = str(tmp_path / "blessing")
        InfraCheck.test_call(
            model=model,
            examples=examples,
            catalogue=catalogue,
            seconds=seconds,
            memory_mb=2000.0,
            latency_ms=2000.0,
            size_mb=1.0,
            code_version="1",
            blessing=blessing,
        )
        told = json.loads(Path(blessing.uri, CHECKED_FILE).read_text())
        return blessing.get_int_custom_property("blessed"), told

    return run


def test_a_model_that_is_fit_is_blessed_and_its_figures_are_kept(save, bless, tmp_path):
    save("good", Path(path_utils.serving_model_path(str(tmp_path))))
    blessed, told = bless(tmp_path)
    assert blessed == 1
    assert told["blessed"] is True
    assert told["problems"] == []
    assert told["answers"]["known user"]["num_scores"] == len(ITEMS)
    blessed, told = bless(tmp_path, seconds=0.25)
    assert blessed == 0
    assert told["blessed"] is False
    assert told["problems"] == ["it did not answer all requests in 0.25 s"]
    assert set(told) == {"check", "blessed", "problems", "size_bytes"}


def test_where_nothing_was_chosen_nothing_is_blessed(bless, tmp_path):
    blessed, told = bless(tmp_path)
    assert blessed == 0
    assert told == {
        "check": "process",
        "blessed": False,
        "problems": ["nothing was chosen"],
    }
