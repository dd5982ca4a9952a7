"""The command in this process, versions that were live, ratings and recommenders."""

import json
from types import SimpleNamespace

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.live_models import push
from pipeline.cli import command


@pytest.fixture
def marquee(capfd, monkeypatch, tmp_path):
    """Runs the command in an empty folder: status, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()  # what a test's own imports have said
        with pytest.raises(SystemExit) as end:
            command.main(arguments, prog_name="marquee")
        return SimpleNamespace(
            status=end.value.code or 0, **capfd.readouterr()._asdict()
        )

    return run


@pytest.fixture
def pushed(tmp_path):
    """Versions 1 and 2, of two models, below the default folder."""
    live = tmp_path / "marquee-out" / "live"
    for name in ("mf_als", "neumf"):
        card = tmp_path / name / "assets.extra" / "marquee.json"
        card.parent.mkdir(parents=True)
        card.write_text(json.dumps({"model": name, "origin": f"Trainer_{name}"}))
        (tmp_path / name / "saved_model.pb").write_text(name)
        push.push(tmp_path / name, live, keep=5)
    return live


@pytest.fixture(scope="session")
def write_ratings():
    """Writes Examples as RatingsExampleGen does: user -> item -> stars."""
    import tensorflow as tf  # takes seconds, which most tests have no need of

    def write(path, rated):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for user, stars in rated.items():
                example = tf.train.Example()
                feature = example.features.feature
                feature["user_id"].bytes_list.value.append(user.encode())
                feature["item_id"].bytes_list.value.extend(i.encode() for i in stars)
                feature["rating"].float_list.value.extend(stars.values())
                writer.write(example.SerializeToString())

    return write


@pytest.fixture(scope="session")
def save_recommender():
    """Saves a module whose ``recommend`` is asked as that of an exported model is.

    The module's own takes users, items of their histories, and k.
    """
    import tensorflow as tf

    def save(module, folder, **other_signatures):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="user_id"),
                tf.TensorSpec([None, None], tf.string, name="history_item_id"),
                tf.TensorSpec([None, None], tf.float32, name="history_rating"),
                tf.TensorSpec([None, None], tf.string, name="user_features"),
                tf.TensorSpec([], tf.int32, name="k"),
            ]
        )
        def recommend(user_id, history_item_id, history_rating, user_features, k):
            return module.recommend(user_id, history_item_id, k)

        signatures = {"recommend": recommend, **other_signatures}
        tf.saved_model.save(module, str(folder), signatures=signatures)

    return save


class StoreWriter:
    """Writes a metadata store as TFX does: artifacts, executions, events, contexts."""

    def __init__(self, out):
        config = mlmd.ConnectionConfig()
        config.sqlite.filename_uri = str(out / "metadata.sqlite")
        config.sqlite.connection_mode = (
            mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        )
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.store, self.types = out, MetadataStore(config), {}

    def _type(self, kind, name):
        if name not in self.types:
            made = getattr(mlmd, f"{kind}Type")(name=name)
            self.types[name] = getattr(self.store, f"put_{kind.lower()}_type")(made)
        return self.types[name]

    def artifact(self, place, **custom):
        """An artifact, and its folder below the folder of runs."""
        folder = self.out / "artifacts" / place
        folder.mkdir(parents=True, exist_ok=True)
        made = mlmd.Artifact(type_id=self._type("Artifact", "A"), uri=str(folder))
        for name, value in custom.items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            setattr(made.custom_properties[name], kind, value)
        [made.id] = self.store.put_artifacts([made])
        return made

    def step(self, name, run, inputs, outputs, told=(), state=mlmd.Execution.COMPLETE):
        """An execution with its events and contexts."""
        kind = f"components.{name.partition('_')[0]}"
        made = mlmd.Execution(
            type_id=self._type("Execution", kind), last_known_state=state
        )
        for key, value in dict(told).items():
            made.custom_properties[key].string_value = value
        contexts = [self._context("pipeline_run", run)]
        contexts.append(self._context("node", f"marquee.{name}"))
        pairs = []
        sides = ((mlmd.Event.INPUT, inputs), (mlmd.Event.OUTPUT, outputs))
        for side, artifacts in sides:
            for key, artifact in artifacts:
                event = mlmd.Event(type=side)
                event.path.steps.add().key = key
                event.path.steps.add().index = 0
                pairs.append((artifact, event))
        self.store.put_execution(made, pairs, contexts, True)  # contexts are reused

    def _context(self, kind, name):
        return mlmd.Context(type_id=self._type("Context", kind), type=kind, name=name)

    def read(self, run, number, model="", source="/data/ratings.csv", threshold="> 3"):
        """The steps of a run up to its Trainer; folders are numbered from one on."""
        examples = self.artifact(f"RatingsExampleGen/examples/{number}")
        catalogue = self.artifact(f"CatalogueGen/catalogue/{number + 1}")
        graph = self.artifact(f"Transform/transform_graph/{number}")
        model = self.artifact(model or f"Trainer_m/model/{number}")
        folder, _, file = source.rpartition("/")
        pattern = json.dumps({"splits": [{"name": "ratings", "pattern": file}]})
        reading = {"input_base": folder, "input_config": pattern}
        told = {"custom_config": json.dumps({"label_threshold": threshold})}
        used = [("examples", examples)]
        self.step("RatingsExampleGen", run, [], used, reading)
        self.step("CatalogueGen", run, used, [("catalogue", catalogue)])
        self.step("Transform", run, used, [("transform_graph", graph)], told)
        used = [("transform_graph", graph), ("catalogue", catalogue)]
        self.step("Trainer_m", run, used, [("model", model)])
        return SimpleNamespace(examples=examples, catalogue=catalogue, model=model)

    def judge(self, run, data, number, live="", pushes=False, **state):
        """Champion, which chose the run's model if it pushes; and Pusher."""
        origin = "/".join(data.model.uri.split("/")[-3:]) if pushes else ""
        chosen = self.artifact(f"Champion/champion/{number}", origin=origin)
        decided = self.artifact(f"Champion/decided/{number}", live_origin=live)
        pushed = self.artifact(f"Pusher/pushed_model/{number}", pushed=int(pushes))
        used = [("models", data.model), ("examples", data.examples)]
        made = [("champion", chosen), ("decided", decided)]
        self.step("Champion", run, used, made)
        self.step(
            "Pusher", run, [("model", chosen)], [("pushed_model", pushed)], **state
        )
        return origin


@pytest.fixture(scope="session")
def store_writer():
    """Opens the metadata store of a folder of runs, to write what runs recorded."""
    return StoreWriter


@pytest.fixture(scope="session")
def accept():
    """Records that a run read some data and put a model of them live."""

    def record(out, number, run="r1", **reading):
        store = StoreWriter(out)
        return store.judge(run, store.read(run, number, **reading), number, pushes=True)

    return record
