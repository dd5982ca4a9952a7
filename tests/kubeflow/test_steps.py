"""Runs each task of the compiled pipeline with its own command, on MariaDB.

The fixture ``machine`` replaces the platform. The steps, their arguments, order
and environment are those of the compiled file.
"""

from types import SimpleNamespace

import pytest
import tensorflow as tf
import yaml
from ml_metadata import MetadataStore, proto

from components.live_models import versions
from tests.support import databases
from tests.support.command import ROOT, marquee
from tests.support.server import serving, until

pytestmark = [pytest.mark.kubeflow, pytest.mark.timeout(3600)]
KILLED = "trainer-mf-als"


@pytest.fixture(scope="module")
def story(
    compile_workflow,
    cluster_with_volume,
    store,
    spans,
    machine,
    pods_of_spec,
):
    """A run with a killed step, the same run again, and two runs on a new span.

    The third run executes a single step; in the fourth, a Trainer fails.
    """
    cluster = cluster_with_volume("Trainer")
    volume = cluster.volume
    compiled = compile_workflow(
        cluster.folder / "marquee.yaml",
        *("--target", "kfp", "--cluster", str(cluster.file)),
        *("--data", f"{volume}/spans", "--spans"),
        *("--models", "mf_als", "--set", "models.mf_als.embedding_dim=16"),
    )
    assert compiled.status == 0, compiled.output
    pods = pods_of_spec(list(yaml.safe_load_all(compiled.text)))
    machine = machine(pods, "{{workflow.uid}}", cluster.folder / "runs")
    arriving = spans(volume / "spans", 2)
    next(arriving)
    results = SimpleNamespace(machine=machine, live=volume / "live", text=compiled.text)
    results.first = machine.run("first", kill=KILLED)
    results.first_live = versions.versions(results.live)
    results.second = machine.run("second", log_imports=True)
    next(arriving)
    results.third = machine.run("third", only=("ratingsexamplegen",))
    results.fourth = machine.run("fourth", lock_out=KILLED)
    connection = proto.ConnectionConfig()
    connection.mysql.host, connection.mysql.port = store.host, store.port
    connection.mysql.database, connection.mysql.user = "marquee", databases.USER
    connection.mysql.password = databases.PASSWORD
    results.store = Store(MetadataStore(connection))
    return results


class Store:
    """The metadata store's contents."""

    def __init__(self, store):
        self.store = store

    def executions(self, run):
        """Returns the executions of each step in a run."""
        context = self.store.get_context_by_type_and_name("pipeline_run", run)
        found = {}
        for execution in self.store.get_executions_by_context(context.id):
            contexts = self.store.get_contexts_by_execution(execution.id)
            [node] = [c.name for c in contexts if c.type == "node"]
            found.setdefault(node.split(".", 1)[1], []).append(execution)
        return found

    def states(self, run):
        """Returns the state of each step's only execution."""
        return {
            step: proto.Execution.State.Name(execution.last_known_state)
            for step, [execution] in self.executions(run).items()
        }

    def makers(self, execution):
        """Returns the executions whose outputs an execution read."""
        inputs = (proto.Event.INPUT, proto.Event.DECLARED_INPUT)
        read = [
            event.artifact_id
            for event in self.store.get_events_by_execution_ids([execution.id])
            if event.type in inputs
        ]
        ids = {
            event.execution_id
            for event in (self.store.get_events_by_artifact_ids(read) if read else [])
            if event.type in (proto.Event.OUTPUT, proto.Event.INTERNAL_OUTPUT)
        }
        return self.store.get_executions_by_id(ids)


def test_every_step_of_the_first_run_succeeded(story):
    assert set(story.first.phases.values()) == {"Succeeded"}
    assert len(story.first.phases) == 20
    for task in ("verdict", "notify"):
        assert "All 18 steps succeeded." in story.machine.log(story.first, task)


def test_a_killed_step_is_tried_again_and_leaves_one_execution(story):
    tries = dict.fromkeys(story.first.phases, 1) | {KILLED: 2}
    assert story.first.attempts == tries
    [execution] = story.store.executions("first")["Trainer_mf_als"]
    assert execution.last_known_state == proto.Execution.COMPLETE


def test_the_pushed_model_answers(story):
    [live] = story.first_live
    assert live.model == "mf_als"
    versions.verify(live.folder)
    model = tf.saved_model.load(str(live.folder))
    answer = model.signatures["recommend"](
        user_id=tf.constant(["1"]),
        history_item_id=tf.constant([["1"]]),
        history_rating=tf.constant([[5.0]]),
        user_features=tf.constant([[""]]),
        k=tf.constant(10),
        exclude_item_id=tf.constant([[""]]),
    )
    assert answer["item_id"].shape == (1, 10)
    assert len(set(answer["item_id"].numpy()[0])) == 10


def test_a_server_finds_the_ratings_in_the_database(story, store, monkeypatch):
    volume = story.live.parent
    address = f"mysql://{store.host}:{store.port}/marquee"
    monkeypatch.setenv("MARQUEE_METADATA", address)
    monkeypatch.setenv("MYSQL_USER", databases.USER)
    monkeypatch.setenv("MYSQL_PASSWORD", databases.PASSWORD)
    # The last run accepted the version with both spans.
    rated = {
        line.split("::")[1]
        for path in (volume / "spans").glob("*/ratings.dat")
        for line in path.read_text().splitlines()
        if line.startswith("1::")
    }
    with serving(volume) as client:
        answer = until(client, "/v1/recommend/1").json()
    assert answer["made_of"] == "history"
    assert answer["rated"] == len(rated)
    listed = [item["item_id"] for item in answer["items"]]
    assert len(listed) == 10
    assert not rated & {*listed}
    shown = marquee(ROOT, "lineage", "--out", str(volume))
    assert shown.status == 0, shown.text
    assert "first" in shown.text

    monkeypatch.setenv("MARQUEE_METADATA", address.replace("marquee", "nothing"))
    missing = marquee(ROOT, "lineage", "--out", str(volume))
    assert missing.status == 2
    assert "/nothing" in missing.text
    monkeypatch.setenv("MARQUEE_METADATA", "localhost")
    assert "expected mysql://host:port/database" in " ".join(
        marquee(ROOT, "lineage", "--out", str(volume)).text.split()
    )


def test_the_database_leads_from_the_pushed_model_back_to_the_ratings(story):
    executions = story.store.executions("first")
    step_of = {e.id: step for step, [e] in executions.items()}
    waiting, found = list(executions["Pusher"]), set()
    while waiting:
        execution = waiting.pop()
        if step_of[execution.id] not in found:
            found.add(step_of[execution.id])
            # A later run from the cache is recorded as a producer, too.
            makers = story.store.makers(execution)
            waiting += [maker for maker in makers if maker.id in step_of]
    # All steps except those that only observe.
    assert set(executions) - found == {"AnomalyGate", "DriftGate"} & set(executions) | {
        "ExampleValidator",
        "StatisticsGen",
        "LiveModel",
    }
    [pusher] = executions["Pusher"]
    assert pusher.custom_properties["live_folder"].string_value == str(story.live)


def test_the_second_run_is_served_from_the_cache(story):
    assert set(story.second.phases.values()) == {"Succeeded"}
    states = story.store.states("second")
    done = {step for step, state in states.items() if state != "CACHED"}
    # A model is live now, so the data is compared with its training data.
    assert done == {"LiveModel", "DriftGate"}
    assert len(states) == 18
    assert [v.number for v in versions.versions(story.live)] == [1]


def test_a_step_from_the_cache_imports_no_tensorflow_beam_or_executor(story):
    """Nor does a resolver. DriftGate was not in the cache."""
    steps = story.store.executions("second").keys() - {"DriftGate"}
    assert len(steps) == 17
    for step in steps:
        found = story.machine.imports(story.second, step.lower().replace("_", "-"))
        assert "tfx.orchestration.portable.launcher" in found  # they are logged
        heavy = {
            name
            for name in found
            # A package alone is also logged if its import was refused.
            if name.startswith(("tensorflow.python", "apache_beam.", "keras", "tfx.v1"))
            or name.startswith(("tfx.", "components."))
            and name.endswith(".executor")
        }
        assert heavy == set(), step


def test_a_later_run_of_the_same_workflow_takes_in_what_arrived(story):
    assert story.third.phases == {"ratingsexamplegen": "Succeeded"}
    newest = {}
    for run in ("first", "second", "third"):
        [execution] = story.store.executions(run)["RatingsExampleGen"]
        [artifact] = [
            story.store.store.get_artifacts_by_id([event.artifact_id])[0]
            for event in story.store.store.get_events_by_execution_ids([execution.id])
            if event.type == proto.Event.OUTPUT
        ]
        newest[run] = artifact.custom_properties["newest_span"].string_value
    assert newest == {"first": "1", "second": "1", "third": "2"}


def test_a_step_that_fails_for_good_stops_only_what_needs_it(story):
    """The champion is chosen among the others, as in a local run."""
    phases = dict.fromkeys(story.first.phases, "Succeeded")
    assert story.fourth.phases == phases | {"verdict": "Failed", "notify": "Failed"}
    log = story.machine.log(story.fourth, KILLED)
    assert "Attempt 2 of 2 ended with status 1" in log
    states = story.store.states("fourth")
    assert set(story.store.states("first")) - set(states) == {
        "Trainer_mf_als",
        "Evaluator_mf_als",
    }
    assert states["Champion"] == "COMPLETE"


def test_what_needs_a_failed_step_is_not_run_and_says_so(story):
    log = story.machine.log(story.fourth, "evaluator-mf-als")
    assert "not run, because Trainer_mf_als did not succeed in this run" in log
    assert "Attempt" not in log


def test_the_verdict_names_what_failed_and_what_was_not_run(story):
    for task in ("verdict", "notify"):
        log = story.machine.log(story.fourth, task)
        assert "Trainer_mf_als: failed; its log has the reason" in log
        assert "Evaluator_mf_als: not run, because Trainer_mf_als did not suc" in log


def test_the_secret_is_in_no_file(story):
    assert "a password of these tests" not in story.text
    for task in story.first.phases:
        assert "a password of these tests" not in story.machine.log(story.first, task)
