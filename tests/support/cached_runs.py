"""A small pipeline whose runs fill a metadata store, and often come from the cache."""

from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import Examples, Model

from pipeline.live_model_resolver import live_model_resolver
from pipeline.runs.local_runner import run_locally


@component
def make_data(text: Parameter[str], examples: OutputArtifact[Examples]):
    Path(examples.uri, "data").write_text(text)


@component
def train(examples: InputArtifact[Examples], model: OutputArtifact[Model]):
    Path(model.uri, "model").write_text(Path(examples.uri, "data").read_text())


def run_small_pipeline(
    folder: Path, run_id: str, text: str = "ratings", observer: Any = None
) -> dict[str, str]:
    """Runs Data, then Trainer and Champion, then LiveModel.

    Args:
        folder: Where the store and the artifacts are.
        run_id: ID of the run.
        text: What Data writes; another text is not found in the cache.
        observer: Is notified of the steps, if given.

    Returns:
        Step → its state.
    """
    data = make_data(text=text).with_id("Data")
    trained = [
        train(examples=data.outputs["examples"]).with_id(name)
        for name in ("Trainer", "Champion")
    ]
    live = live_model_resolver(trained[0].outputs["model"], str(folder / "live"))
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(folder / "metadata.sqlite")
    )
    pipeline = tfx.dsl.Pipeline(
        "test",
        str(folder / "artifacts"),
        components=[data, *trained, live],
        enable_cache=True,
        metadata_connection_config=connection,
    )
    started = observer.started if observer else lambda _: None
    ended = observer.ended if observer else lambda _: None
    results = run_locally(pipeline, run_id, started, ended)
    return {result.name: result.state for result in results}
