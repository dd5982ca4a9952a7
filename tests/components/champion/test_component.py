"""Champion on artifacts that TFMA wrote: what is copied, blessed and reported."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics.metric_types import MetricKey
from tensorflow_model_analysis.writers import (
    eval_config_writer,
    metrics_plots_and_validations_writer,
)
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.champion import component
from components.champion.gate import Gate
from components.champion.judgements import evaluated_model
from components.champion.ledger import LedgerError
from components.live_evaluator.executor import NOT_JUDGED_FILE
from components.live_models import push, rollback, versions
from components.ranking_metrics.users import Users
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, read_card, write_card

N = 300
FLOORS = "floors_only"
GATE = Gate(
    metric="ndcg@10",
    floors={"auc": 0.5},
    max_loss=0.005,
    min_gain_over_popularity=0.0,
    min_users=50,
    min_slice_users=50,
    min_score_std=0.01,
    min_calibration=0.5,
    max_calibration=2.0,
    min_coverage_of_live=0.5,
    confidence=0.95,
)


def artifact(kind, folder):
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    return made


def users_of(ndcg, shift, night, labels):
    """N users, half of whom have thrice the others' metric; two targets each.

    Liked targets are at the rank that is one over the metric: the larger, the better.
    All targets of the first half of the users are new items.
    """
    values = np.full([N, 1], ndcg, np.float32)
    values[::2] *= 1.5
    values[1::2] *= 0.5
    return Users(
        user=np.arange(N, dtype=np.uint64) + np.uint64(shift),
        metrics=("ndcg@10",),
        values=values,
        num_candidates=np.full(N, 1000, np.int32),
        target_user=np.repeat(np.arange(N, dtype=np.int32), 2),
        target=np.arange(2 * N, dtype=np.uint32) + np.uint32(1000 * night),
        rank=np.repeat(1 / values[:, 0], 2),
        score=np.tile(np.array([0.9, 0.1], np.float32), N),
        label=np.tile(np.array(labels, np.int8), N),
        is_new=np.arange(2 * N) < N,
        # The targets of the users of each half are in the head or in the tail.
        popularity=np.repeat(np.array([0, 2], np.int8), N),
        age=np.repeat(np.array([1, -1], np.int8), N),  # of the second half, unknown
    )


def write_evaluation(
    folder, model_folder, ndcg, shift=0, night=0, labels=(1, 0), **metrics
):
    """As TFMA does, on all users and on one slice; each night has its own targets."""
    users = users_of(ndcg, shift, night, labels)
    values = {
        "ndcg@10": ndcg,
        "auc": 1.0,
        "finite_scores": 1.0,
        "score_std": 0.4,
        "coverage@10": 0.5,
    } | metrics
    config = tfma.EvalConfig(model_specs=[tfma.ModelSpec()])
    (folder / "eval_config.json").write_text(
        eval_config_writer._serialize_eval_run(config, "", "", {"": model_folder})
    )
    path = str(folder / "metrics-00000-of-00001.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for key in ((), (("activity", "new"),)):
            measured = {MetricKey(name=name): value for name, value in values.items()}
            measured[MetricKey(name="users")] = users.encoded()
            told = metrics_plots_and_validations_writer.convert_slice_metrics_to_proto(
                (key, measured), None
            )
            writer.write(told.SerializeToString())


@pytest.fixture
def world(tmp_path):
    """Models by name with their evaluations; runs Champion over them."""

    class World:
        folder = tmp_path
        live = tmp_path / "live"

        def __init__(self):
            self.models, self.evaluations, self.runs = [], [], 0
            self.live_evaluation = artifact(
                standard_artifacts.ModelEvaluation, tmp_path / "L"
            )
            self.not_judged("nothing is live")

        def judged(self, name, ndcg, night=0, **metrics):
            model = artifact(
                standard_artifacts.Model, tmp_path / f"Trainer{night or ''}" / name
            )
            serving = path_utils.serving_model_path(model.uri)
            recipe = f"{name}-1"
            card = ModelCard(name, 7, {}, recipe)
            write_card(serving, card)
            Path(serving, "saved_model.pb").write_text(name)
            evaluation = artifact(
                standard_artifacts.ModelEvaluation, tmp_path / f"E{night}" / name
            )
            write_evaluation(
                Path(evaluation.uri), serving, ndcg, night=night, **metrics
            )
            self.models.append(model)
            self.evaluations.insert(0, evaluation)  # in another order than the models
            return model.uri

        def forget(self):
            self.models, self.evaluations = [], []

        def not_judged(self, why):
            Path(self.live_evaluation.uri, NOT_JUDGED_FILE).write_text(why)

        def live_is_judged(self, done, ndcg, **metrics):
            Path(self.live_evaluation.uri, NOT_JUDGED_FILE).unlink()
            folder = path_utils.serving_model_path(done.champion.uri)
            write_evaluation(Path(self.live_evaluation.uri), folder, ndcg, **metrics)

        def run(self, gate=GATE, **newest):
            self.runs += 1
            made = {
                name: artifact(kind, tmp_path / f"{name}{self.runs}")
                for name, kind in (
                    ("champion", standard_artifacts.Model),
                    ("blessing", standard_artifacts.ModelBlessing),
                    ("decided", component.Decision),
                )
            }
            component.Champion.test_call(
                models=self.models,
                evaluations=self.evaluations,
                live_evaluation=self.live_evaluation,
                examples=artifact(standard_artifacts.Examples, tmp_path / "examples"),
                gate=msgspec.json.encode(gate).decode(),
                reference="popularity",
                live_folder=str(self.live),
                code_version="1",
                **made,
                **newest,
            )
            told = Path(made["decided"].uri, "decision.json").read_text()
            told = json.loads(told)
            verdicts = {m["name"]: m["verdict"] for m in told["models"]}
            rules = {m["name"]: m["rule"] for m in told["models"]}
            return SimpleNamespace(**made, told=told, verdicts=verdicts, rules=rules)

        def push(self, done):
            folder = path_utils.serving_model_path(done.champion.uri)
            return push.push(Path(folder), self.live, keep=5)

    return World()


def test_the_best_model_is_copied_whole_and_told_with_its_reasons(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    world.judged("neumf", 0.2)
    done = world.run()

    folder = world.folder / "champion1" / "Format-Serving"
    assert (folder / "saved_model.pb").read_text() == "mf_als"
    # Below the root of all artifacts, which changes where the folder is moved to.
    place = f"{world.folder.name}/Trainer/mf_als"
    assert read_card(str(folder)).origin == place
    assert done.champion.get_string_custom_property("origin") == place
    assert done.decided.get_string_custom_property("live_origin") == ""
    assert done.blessing.get_int_custom_property("blessed") == 1
    assert done.blessing.get_int_custom_property("live_version") == 0
    assert done.blessing.get_string_custom_property("current_model") == (
        done.champion.uri
    )
    assert (world.folder / "blessing1" / "BLESSED").exists()
    assert done.told["champion"] == "mf_als"
    assert done.told["changed"] is True
    assert done.told["examples"].endswith("examples")
    assert done.verdicts == {
        "popularity": "reference",
        "mf_als": "live",
        "neumf": "passed",
    }
    [mf_als] = [m for m in done.told["models"] if m["name"] == "mf_als"]
    assert mf_als["metrics"]["ndcg@10"] == pytest.approx(0.3)
    low, high = mf_als["intervals"]["ndcg@10"]
    assert 0.27 < low < 0.3 < high < 0.33
    assert mf_als["slices"]["activity=new"]["users"] == N
    new = mf_als["slices"]["new_item"]  # liked ones are at ranks 2 and 6
    assert new["users"] == N / 2
    ndcg = (1 / np.log2(3) + 1 / np.log2(7)) / 2
    assert new["metrics"]["ndcg@10"] == pytest.approx(ndcg, abs=1e-6)
    # Half of the users have one target of each rank.
    ends = new["intervals"]["ndcg@10"]
    assert ndcg - 0.05 < ends[0] < ndcg < ends[1] < ndcg + 0.05
    assert list(mf_als["slices"]["activity=new"]["intervals"]) == ["ndcg@10"]
    assert mf_als["slices"]["item_popularity=head"] == new
    assert mf_als["slices"]["item_popularity=tail"]["users"] == N / 2
    assert mf_als["slices"]["item_age_days=30-364"] == new
    assert [name for name in mf_als["slices"] if "age" in name] == [
        "item_age_days=30-364"
    ]
    assert "item_popularity=middle" not in mf_als["slices"]
    rules = {(f["rule"], f["slice"]) for f in mf_als["findings"]}
    assert rules == {
        ("users", ""),
        ("finite", ""),
        ("spread", ""),
        ("floor", ""),
        ("floor", "activity=new"),
        ("reference", ""),
        ("reference", "activity=new"),
    }


def test_what_the_newest_span_was_like_goes_live_with_the_model(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    statistics = artifact(standard_artifacts.ExampleStatistics, world.folder / "S")
    statistics.split_names = json.dumps(["ratings"])
    split = Path(statistics.uri, "Split-ratings")
    split.mkdir()
    (split / "FeatureStats.pb").write_bytes(b"shares")
    statistics.set_string_custom_property("newest_span", "2026-11-21")
    done = world.run(span_statistics=statistics)
    version = world.push(done)
    assert (version.folder / f.SPAN_STATISTICS_FILE).read_bytes() == b"shares"
    assert read_card(str(version.folder)).newest_span == "2026-11-21"
    versions.verify(version.folder)


def test_nothing_is_copied_where_nothing_passed(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.1)
    world.judged("neumf", 0.9, auc=0.4)
    done = world.run()
    assert list((world.folder / "champion1").iterdir()) == []
    assert done.blessing.get_int_custom_property("blessed") == 0
    assert [p.name for p in (world.folder / "blessing1").iterdir()] == ["NOT_BLESSED"]
    assert done.told["champion"] is None
    assert done.told["changed"] is False
    assert done.rules["neumf"].startswith("auc is 0.4000; at least 0.5 is required")


def test_what_is_live_already_is_no_news(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    world.push(world.run())
    world.judged("neumf", 0.2)
    again = world.run()
    assert again.told["champion"] == "mf_als"
    assert again.told["changed"] is False
    assert again.blessing.get_int_custom_property("blessed") == 0
    place = f"{world.folder.name}/Trainer/mf_als"
    assert again.decided.get_string_custom_property("live_origin") == place

    world.judged("deepfm", 0.4)
    third = world.run()
    assert third.told["changed"] is True
    assert third.verdicts["deepfm"] == "live"
    assert "over the model that was live" in third.rules["deepfm"]


@pytest.mark.parametrize(
    ("ndcg", "verdict"), [(0.2, "refused"), (0.3, "passed"), (0.35, "live")]
)
def test_candidates_are_held_against_the_live_model_of_an_earlier_run(
    world, ndcg, verdict
):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    first = world.run()
    world.push(first)
    world.forget()
    world.live_is_judged(first, 0.3)
    world.judged("popularity", 0.1)
    world.judged("neumf", ndcg)
    done = world.run()
    assert done.verdicts["neumf"] == verdict
    assert done.told["live"]["model"] == "mf_als"
    assert done.told["changed"] == (verdict == "live")


@pytest.mark.parametrize("needs_live", [True, False])
def test_a_live_model_that_cannot_be_judged_is_told(world, needs_live):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    world.push(world.run())
    world.forget()
    world.judged("popularity", 0.1)
    world.judged("neumf", 0.4)
    world.not_judged("Feature user_gender is missing")
    without = "refuse" if needs_live else "floors_only"
    done = world.run(msgspec.structs.replace(GATE, without_baseline=without))
    assert done.verdicts["neumf"] == ("refused" if needs_live else "live")
    assert "Feature user_gender is missing" in done.rules["neumf"]
    assert done.told["live"]["problem"] == "Feature user_gender is missing"


def test_a_tampered_live_model_is_no_baseline(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    version = world.push(world.run())
    (version.folder / "saved_model.pb").write_text("mf_alS")
    done = world.run()
    assert done.verdicts["mf_als"] == "refused"
    assert "saved_model.pb is not as it was pushed" in done.rules["mf_als"]


def test_an_evaluation_of_another_model_than_the_live_one_is_not_taken_for_it(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    first = world.run()
    world.push(first)
    world.judged("deepfm", 0.5)
    world.push(world.run())
    world.forget()
    world.live_is_judged(first, 0.3)
    world.judged("popularity", 0.1)
    world.judged("neumf", 0.4)
    done = world.run()
    assert done.verdicts["neumf"] == "refused"
    assert "version 2 is another model" in done.rules["neumf"]


@pytest.mark.parametrize("other", [{"labels": (1, 1)}, {"shift": 5}, {"night": 1}])
def test_a_live_model_with_other_targets_is_not_compared(world, other):
    """As after another ``label.threshold``, or other judged types of events."""
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    first = world.run()
    world.push(first)
    world.forget()
    world.live_is_judged(first, 0.3, **other)
    world.judged("popularity", 0.1)
    world.judged("neumf", 0.4)
    refused = world.run()
    assert refused.verdicts["neumf"] == "refused"
    assert "other settings of label or events.judged" in refused.rules["neumf"]
    replaced = world.run(gate=msgspec.structs.replace(GATE, without_baseline=FLOORS))
    assert replaced.verdicts["neumf"] == "live"


def test_after_a_move_the_live_model_is_known_by_its_place(world):
    """Its card, TFMA's record and the candidates' URIs have different roots then."""
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    version = world.push(world.run())
    for model in world.models:
        model.uri = model.uri.replace(str(world.folder.parent), "/moved/elsewhere")
    assert versions.read(version.folder).origin == f"{world.folder.name}/Trainer/mf_als"
    candidates = [
        component._candidate(world.models, evaluation.uri)
        for evaluation in world.evaluations
    ]
    live, problem = component._live(world.live, candidates, "unused")
    assert problem == ""
    assert live.name == "mf_als"
    assert live.uri.startswith("/moved/elsewhere")


def test_a_moved_evaluation_is_of_the_model_beside_it(world):
    world.judged("popularity", 0.1)
    [evaluation] = world.evaluations
    recorded = evaluated_model(evaluation.uri)
    moved = world.folder.with_name("root") / world.folder.name
    moved.parent.mkdir()
    shutil.copytree(world.folder, moved)
    place = Path(evaluation.uri).relative_to(world.folder)
    beside = evaluated_model(str(moved / place))
    assert beside == str(moved / "Trainer" / "popularity" / "Format-Serving")
    # The original is left, and is another folder's by now.
    assert Path(recorded).is_dir()
    assert evaluated_model(evaluation.uri) == recorded


def test_models_judged_on_different_users_are_an_error(world):
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3, shift=5)
    with pytest.raises(ValueError, match="different users: 300 and 300, of which 295"):
        world.run()


# Night after night


def next_night(world, night, last, live_ndcg, **models):
    """Judges the live model and retrained candidates on the users of another night."""
    world.forget()
    world.not_judged("")
    world.live_is_judged(last, live_ndcg, night=night)
    world.judged("popularity", 0.1, night=night)
    return {
        name: world.judged(name, ndcg, night=night) for name, ndcg in models.items()
    }


def evidence(done, name):
    [model] = [m for m in done.told["models"] if m["name"] == name]
    return model["evidence"]


@pytest.fixture
def first(world):
    """A model that is live: mf_als, at 0.3."""
    world.judged("popularity", 0.1)
    world.judged("mf_als", 0.3)
    done = world.run()
    world.push(done)
    return done


def test_a_small_gain_is_promoted_when_enough_nights_have_shown_it(world, first):
    verdicts = []
    for night in range(1, 9):
        next_night(world, night, first, 0.3, neumf=0.308)
        done = world.run()
        verdicts.append(done.verdicts["neumf"])
        assert evidence(done, "neumf")["users"] == night * N
        if verdicts[-1] == "live":
            break
        assert "not significant yet" in done.rules["neumf"]
    assert verdicts[0] == "passed"
    assert verdicts[-1] == "live"
    found = evidence(done, "neumf")
    assert found["value"] >= found["required"] == pytest.approx(40)


def test_a_step_that_is_killed_after_it_wrote_the_ledger_counts_nobody_twice(
    world, first
):
    next_night(world, 1, first, 0.3, neumf=0.308)
    once, again = world.run(), world.run()
    assert evidence(once, "neumf") == evidence(again, "neumf")
    assert once.rules == again.rules


def test_a_moved_folder_goes_on_with_its_evidence(world, first):
    next_night(world, 1, first, 0.3, neumf=0.308)
    world.run()
    moved = world.live.with_name("moved")
    world.live.rename(moved)
    world.live = moved
    next_night(world, 2, first, 0.3, neumf=0.308)
    assert evidence(world.run(), "neumf")["users"] == 2 * N


def test_a_model_that_was_rolled_back_needs_new_users_to_come_back(world, first):
    next_night(world, 1, first, 0.3, neumf=0.4)
    better = world.run()
    assert better.verdicts["neumf"] == "live"
    world.push(better)
    rollback.roll_back(world.live, None)
    again = world.run()  # on the same users
    assert again.verdicts["neumf"] == "refused"  # this model is withdrawn
    assert evidence(again, "neumf")["users"] == 0
    next_night(world, 2, first, 0.3, neumf=0.4)
    assert world.run().verdicts["neumf"] == "live"


def test_what_was_removed_by_hand_is_chosen_anew(world, first):
    for path in world.live.glob("[0-9]*"):
        shutil.rmtree(path)
    world.not_judged("nothing is live")
    assert world.run().verdicts["mf_als"] == "live"


def test_a_damaged_ledger_stops_the_step_before_anything_is_decided(world, first):
    (world.live / ".evidence.npz").write_bytes(b"garbage")
    with pytest.raises(LedgerError, match="Restore it from a backup"):
        world.run()
