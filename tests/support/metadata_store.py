"""A metadata store as TFX writes it, without running TFX."""

import json
from types import SimpleNamespace

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd


class StoreWriter:
    """Writes artifacts, executions, events and contexts.

    Args:
        out: The output folder of the runs.
    """

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
        """Adds an artifact and creates its folder below ``artifacts/``."""
        folder = self.out / "artifacts" / place
        folder.mkdir(parents=True, exist_ok=True)
        made = mlmd.Artifact(type_id=self._type("Artifact", "A"), uri=str(folder))
        for name, value in custom.items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            setattr(made.custom_properties[name], kind, value)
        [made.id] = self.store.put_artifacts([made])
        return made

    def step(
        self, name, run, inputs, outputs, custom=(), state=mlmd.Execution.COMPLETE
    ):
        """Adds an execution with its events and contexts."""
        kind = f"components.{name.partition('_')[0]}"
        made = mlmd.Execution(
            type_id=self._type("Execution", kind), last_known_state=state
        )
        for key, value in dict(custom).items():
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

    def read(
        self,
        run,
        number,
        model="",
        source="/data/ratings.csv",
        threshold="> 3",
        kinds=None,
    ):
        """Adds the steps of a run up to its Trainer.

        Args:
            run: ID of the run.
            number: The first number of the artifact folders.
            model: The model's folder below ``artifacts/``, if not the usual one.
            source: The ratings file that was read.
            threshold: The run's label threshold.
            kinds: Side features that are not categories, as in the reader's settings.
        """
        examples = self.artifact(f"RatingsExampleGen/examples/{number}")
        catalogue = self.artifact(f"CatalogueGen/catalogue/{number + 1}")
        graph = self.artifact(f"Transform/transform_graph/{number}")
        model = self.artifact(model or f"Trainer_m/model/{number}")
        folder, _, file = source.rpartition("/")
        pattern = json.dumps({"splits": [{"name": "ratings", "pattern": file}]})
        reading = {"input_base": folder, "input_config": pattern}
        if kinds:
            reading["custom_config"] = json.dumps({"kinds": kinds})
        config = {"custom_config": json.dumps({"label_threshold": threshold})}
        used = [("examples", examples)]
        self.step("RatingsExampleGen", run, [], used, reading)
        self.step("CatalogueGen", run, used, [("catalogue", catalogue)])
        self.step("Transform", run, used, [("transform_graph", graph)], config)
        used = [("transform_graph", graph), ("catalogue", catalogue)]
        self.step("Trainer_m", run, used, [("model", model)])
        return SimpleNamespace(examples=examples, catalogue=catalogue, model=model)

    def judge(self, run, data, number, live="", pushes=False, **state):
        """Adds Champion and Pusher.

        Args:
            run: ID of the run.
            data: The artifacts that ``read`` returned.
            number: The number of the artifact folders.
            live: Origin of the live model that Champion compared with.
            pushes: Whether the run's model was chosen and pushed.
            state: ``state`` of the Pusher, if it did not complete.

        Returns:
            The origin of the pushed model, or "".
        """
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


def accept(out, number, run="r1", **reading):
    """Records that a run read some data and put a model trained on it live.

    Args:
        out: The output folder of the runs.
        number: The first number of the artifact folders.
        run: ID of the run.
        reading: Other arguments of ``StoreWriter.read``.

    Returns:
        The origin of the live model.
    """
    store = StoreWriter(out)
    return store.judge(run, store.read(run, number, **reading), number, pushes=True)
