"""Served lists against an oracle: runs, refusals, rollbacks, moves and clean-ups.

The pipeline is a small one on the real runner: the store, cache, live folder, resolver
and Pusher are the product's, and what takes seconds (reading, training, judging) is a
few lines. A model lists the items of its data by how many like them; the better data
make the better model. The oracle records only which data each run judged.
"""

import collections
import json
import shutil
import tempfile
from pathlib import Path

import hypothesis
import hypothesis.stateful as st
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import strategies
from tfx import v1 as tfx
from tfx.types.standard_artifacts import (
    Examples,
    InfraBlessing,
    ModelBlessing,
    TransformGraph,
)
from tfx.types.standard_artifacts import Model as ModelArtifact
from tfx.utils import path_utils
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component

from components.artifact_place import LIVE_ORIGIN, ORIGIN, place_of
from components.catalogue_gen.artifacts import Catalogue
from components.champion.component import Decision
from components.champion.driver import Driver
from components.live_models import rollback, version_ledger, versions
from components.pusher.component import Pusher
from pipeline.lineage import NoAcceptedDataError
from pipeline.live_model_resolver import live_model_resolver
from pipeline.recommend.one_user import recommend
from pipeline.runs import cleanup, retention
from pipeline.runs.local_runner import run_locally
from pipeline.runs.metadata_store import METADATA_FILE, prepare
from tests.support.examples import write_ratings
from tests.support.recommender import save_recommender
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, read_card, write_card

ITEMS = ["1", "2", "3", "4", "5", "6"]
# Name -> its file, how good a model it makes, and user -> item -> stars; above 3 is a
# like. The two files have different users, and grow.
DATA = {
    "a1": ("a.csv", 1, {"ann": {"1": 5, "2": 1}, "amy": {"1": 4, "3": 5}}),
    "a2": ("a.csv", 3, {"ann": {"1": 5, "2": 1, "4": 5}, "amy": {"1": 4, "3": 5}}),
    "a3": ("a.csv", 3, {"ann": {"1": 5, "2": 1, "4": 5, "5": 5}, "amy": {"3": 5}}),
    "b1": ("b.csv", 2, {"bob": {"6": 5, "5": 4}, "ben": {"6": 4}}),
    "b2": ("b.csv", 4, {"bob": {"6": 5, "5": 4, "2": 5}, "ben": {"6": 4, "1": 2}}),
}
USERS = ("ann", "amy", "bob", "ben")


class Popular(tf.Module):
    """Lists items in one order, but for the history."""

    def __init__(self, items):
        super().__init__()
        self.items = tf.constant(items)

    def recommend(self, user_id, history_item_id, k):
        seen = tf.reduce_any(self.items[:, None] == history_item_id[0][None], 1)
        left = tf.boolean_mask(self.items, ~seen)[:k]
        score = -tf.cast(tf.range(tf.shape(left)[0]), tf.float32)
        return {"item_id": left[None], "score": score[None]}


def by_likes(rated):
    """The items, those that most users like first."""
    likes = collections.Counter(
        item for stars in rated.values() for item, star in stars.items() if star > 3
    )
    return sorted(ITEMS, key=lambda item: (-likes[item], item))


@component
def RatingsExampleGen(  # noqa: N802 - what lineage looks for
    input_base: Parameter[str],
    input_config: Parameter[str],
    data: Parameter[str],
    examples: OutputArtifact[Examples],
):
    path = Path(examples.uri, f"Split-{f.TRAIN_SPLIT}", "data.gz")
    write_ratings(path, DATA[data][2])


@component
def CatalogueGen(  # noqa: N802
    examples: InputArtifact[Examples], catalogue: OutputArtifact[Catalogue]
):
    table = pa.table({f.ITEM_ID: ITEMS, "title": ITEMS})
    pq.write_table(table, Path(catalogue.uri, f.CATALOGUE_FILE))


@component
def Transform(  # noqa: N802
    examples: InputArtifact[Examples],
    custom_config: Parameter[str],
    is_refused: Parameter[bool],
    transform_graph: OutputArtifact[TransformGraph],
):
    if is_refused:
        raise ValueError("a gate has stopped the run")
    Path(transform_graph.uri, "graph").touch()


@component
def Trainer(  # noqa: N802
    transform_graph: InputArtifact[TransformGraph],
    catalogue: InputArtifact[Catalogue],
    data: Parameter[str],
    model: OutputArtifact[ModelArtifact],
):
    folder = path_utils.serving_model_dir(model.uri)
    save_recommender(Popular(by_likes(DATA[data][2])), folder)
    write_card(folder, ModelCard(data, 1, {}))


@component
def Champion(  # noqa: N802
    models: InputArtifact[ModelArtifact],
    examples: InputArtifact[Examples],
    breaks: Parameter[bool],
    live_folder: Parameter[str],
    champion: OutputArtifact[ModelArtifact],
    blessing: OutputArtifact[ModelBlessing],
    decided: OutputArtifact[Decision],
    live_champion: InputArtifact[ModelArtifact] = None,
):
    """Promotes what is better than the live model; records what the real one does."""
    if breaks:
        raise OSError("the disk is full")
    live = versions.live(Path(live_folder))
    serving = path_utils.serving_model_path(models.uri)
    own = place_of(models.uri)
    is_live = live is not None and live.origin == own
    is_better = not live or quality(serving) > quality(str(live.folder))
    is_withdrawn = own in version_ledger.withdrawn(Path(live_folder))
    is_chosen = is_live or (is_better and not is_withdrawn)
    decided.set_string_custom_property(LIVE_ORIGIN, live.origin if live else "")
    Path(decided.uri, "decision.json").write_text("{}")
    Path(champion.uri, "nothing").touch()
    if is_chosen:
        champion.set_string_custom_property(ORIGIN, own)
        copy = path_utils.serving_model_dir(champion.uri)
        shutil.copytree(serving, copy)
        write_card(copy, msgspec.structs.replace(read_card(copy), origin=own))
    blessing.set_int_custom_property("blessed", int(is_chosen and not is_live))
    blessing.set_int_custom_property("live_version", live.number if live else 0)
    Path(blessing.uri, "told").touch()


def quality(folder):
    return DATA[read_card(folder).model][1]


Champion.DRIVER_CLASS = Driver


@component
def InfraCheck(  # noqa: N802
    model: InputArtifact[ModelArtifact], blessing: OutputArtifact[InfraBlessing]
):
    blessing.set_int_custom_property("blessed", 1)
    Path(blessing.uri, "told").touch()


def pipeline(out, data, is_refused, breaks):
    file = DATA[data][0]
    config = {"splits": [{"name": "ratings", "pattern": file}]}
    examples = RatingsExampleGen(
        input_base="/logs", input_config=json.dumps(config), data=data
    )
    raw = examples.outputs["examples"]
    catalogue = CatalogueGen(examples=raw)
    transform = Transform(
        examples=raw,
        custom_config=json.dumps({"label_threshold": "> 3"}),
        is_refused=is_refused,
    )
    trainer = Trainer(
        transform_graph=transform.outputs["transform_graph"],
        catalogue=catalogue.outputs["catalogue"],
        data=data,
    )
    live_folder = str(out / "live")
    live = live_model_resolver(trainer.outputs["model"], live_folder)
    champion = Champion(
        models=trainer.outputs["model"],
        examples=raw,
        breaks=breaks,
        live_folder=live_folder,
        live_champion=live.outputs["champion"],
    )
    check = InfraCheck(model=champion.outputs["champion"])
    pusher = Pusher(
        model=champion.outputs["champion"],
        blessing=champion.outputs["blessing"],
        infra_blessing=check.outputs["blessing"],
        live_folder=live_folder,
        keep_versions=3,
        delivery='{"delivery": {"mode": "at_once"}}',
    )
    steps = [examples, catalogue, transform, trainer, live, champion, check, pusher]
    return tfx.dsl.Pipeline(
        "marquee",
        str(out / "artifacts"),
        components=steps,
        enable_cache=True,
        metadata_connection_config=(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(out / METADATA_FILE)
            )
        ),
    )


class Served(st.RuleBasedStateMachine):
    """A folder of runs, and what it must serve.

    The oracle identifies models by origin: ``origins`` has the newest of some data,
    ``accepted`` the data that each serves from, ``withdrawn`` those rolled back from.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.out = self.folder / "0"
        self.origins, self.accepted, self.withdrawn = {}, {}, set()
        self.moves, self.run_ids = 0, set()

    @property
    def live(self):
        """The version that the live folder has; None before the first."""
        return versions.live(self.out / "live")

    def execute(self, data, run_id, is_refused=False, breaks=False):
        while run_id in self.run_ids:
            run_id += 1
        self.run_ids.add(run_id)
        self.out.mkdir(exist_ok=True)
        prepare(self.out)
        steps = run_locally(
            pipeline(self.out, data, is_refused, breaks),
            f"20{run_id:06}",
            lambda name: None,
            lambda result: None,
        )
        states = {step.name: step.state for step in steps}
        if states["Trainer"] == "done":
            made = self.out.glob("artifacts/Trainer/model/*")
            newest = max(int(folder.name) for folder in made if folder.name.isdecimal())
            self.origins[data] = f"Trainer/model/{newest}"
        return states

    @st.rule(
        data=strategies.sampled_from(sorted(DATA)),
        run_id=strategies.integers(0, 999_999),
    )
    def run_to_the_end(self, data, run_id):
        self.run(data, run_id)

    def run(self, data, run_id=0):
        """A run that ends well, by any clock; returns what its steps did."""
        live = self.live
        states = self.execute(data, run_id)
        assert "failed" not in states.values()
        origin = self.origins[data]
        is_better = live is None or DATA[data][1] > DATA[live.model][1]
        if is_better and origin not in self.withdrawn:
            assert self.live.origin == origin
            self.accepted[origin] = data
        elif DATA[data][0] == DATA[live.model][0]:
            self.accepted[live.origin] = data
        return states

    @st.rule(
        data=strategies.sampled_from(sorted(DATA)),
        run_id=strategies.integers(0, 999_999),
        how=strategies.sampled_from(["is_refused", "breaks"]),
    )
    def stop(self, data, run_id=0, how="is_refused"):
        """A run that a gate stops, or whose last steps fail."""
        states = self.execute(data, run_id, **{how: True})
        assert states["Pusher"] == "skipped"

    @st.rule()
    @st.precondition(lambda self: self.can_go_back())
    def rollback(self):
        self.withdrawn.add(self.live.origin)
        rollback.roll_back(self.out / "live", None)
        self.withdrawn.discard(self.live.origin)

    def can_go_back(self):
        return len({v.origin for v in versions.versions(self.out / "live")}) > 1

    @st.rule(keep_runs=strategies.sampled_from([None, 1, 2]))
    @st.precondition(lambda self: self.run_ids)
    def clean(self, keep_runs=None):
        """What killed runs left; and what runs left that are older than some."""
        gone = cleanup.leftovers(self.out)
        if keep_runs:
            retired = retention.plan(self.out, keep_runs)
            retention.forget(self.out, retired)
            gone += cleanup.old_runs(retired)
        for leftover in gone:
            cleanup.remove(leftover, self.out / "live")

    @st.rule(copies=strategies.booleans())
    @st.precondition(lambda self: self.run_ids)
    def move(self, copies=False):
        self.moves += 1
        there = self.folder / str(self.moves)
        if copies:
            shutil.copytree(self.out, there, symlinks=True)
        else:
            self.out.rename(there)
        self.out = there

    @st.invariant()
    def lists_are_of_what_the_live_version_was_accepted_with(self):
        live = self.live
        if live is None:
            return
        rated = DATA[self.accepted[live.origin]][2]
        for user in USERS:
            answer = recommend(self.out, user, len(ITEMS), [], why=False)
            seen = rated.get(user, {})
            expected = [i for i in by_likes(DATA[live.model][2]) if i not in seen]
            assert [item.item_id for item in answer.items] == expected, user
            assert answer.known == (user in rated)

    def teardown(self):
        shutil.rmtree(self.folder)


@pytest.fixture
def served():
    machine = Served()
    yield machine
    machine.teardown()


def checked(served):
    served.lists_are_of_what_the_live_version_was_accepted_with()
    return served.live.model, served.accepted[served.live.origin]


def cached(states):
    """Whether nothing was done; the resolver looks anew in each run."""
    return {state for name, state in states.items() if name != "LiveModel"} == {
        "cached"
    }


def test_data_that_were_refused_are_not_served_nor_after_a_move(served):
    served.run("a1")
    assert checked(served) == ("a1", "a1")
    served.stop("b2", run_id=900_000)
    served.stop("a2", run_id=900_001, how="breaks")
    assert checked(served) == ("a1", "a1")
    assert cached(served.run("a1"))
    assert checked(served) == ("a1", "a1")
    served.clean()
    served.move()
    assert checked(served) == ("a1", "a1")
    served.clean()  # the store does not have the new paths yet
    assert checked(served) == ("a1", "a1")
    assert cached(served.run("a1"))
    assert checked(served) == ("a1", "a1")


def test_each_version_has_its_data_through_promotions_and_rollbacks(served):
    served.run("a1")
    served.run("b1")
    assert checked(served) == ("b1", "b1")
    served.run("a1", run_id=5)  # judged, and not better
    assert checked(served) == ("b1", "b1")
    served.rollback()
    assert checked(served) == ("a1", "a1")
    served.run("a2")
    assert checked(served) == ("a2", "a2")
    served.run("a3")  # newer ratings, and no better model
    assert checked(served) == ("a2", "a3")
    served.clean(keep_runs=1)
    assert checked(served) == ("a2", "a3")
    served.move(copies=True)
    served.run("b2")
    assert checked(served) == ("b2", "b2")
    served.rollback()
    assert checked(served) == ("a2", "a3")


def test_data_that_are_gone_are_an_error_and_no_other_data(served):
    served.run("a1")
    served.stop("a2")
    for folder in served.out.glob("artifacts/RatingsExampleGen/examples/1"):
        shutil.rmtree(folder)
    with pytest.raises(NoAcceptedDataError, match="marquee run"):
        served.lists_are_of_what_the_live_version_was_accepted_with()


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_lists_are_right_whatever_happens_to_the_folder():
    st.run_state_machine_as_test(
        Served,
        settings=hypothesis.settings(
            max_examples=12,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=[  # runs take seconds
                hypothesis.HealthCheck.too_slow,
                hypothesis.HealthCheck.data_too_large,
                hypothesis.HealthCheck.filter_too_much,
            ],
        ),
    )
