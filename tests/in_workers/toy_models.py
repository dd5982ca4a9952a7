"""Small TFX components that make, choose and push models; workers import them."""

from pathlib import Path

import apache_beam as beam
from tfx import v1 as tfx
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.component_spec import ChannelParameter, ComponentSpec
from tfx.v1.dsl.components import InputArtifact, OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import Examples, Model, ModelBlessing


class BrokenModelError(ValueError):
    """What only our own code raises."""


@component
def make_data(text: Parameter[str], examples: OutputArtifact[Examples]):
    Path(examples.uri, "data").write_text(text)


def _interrupt(_):
    raise KeyboardInterrupt


@component
def train(
    examples: InputArtifact[Examples],
    fate: Parameter[str],
    model: OutputArtifact[Model],
):
    Path(model.uri, "half-written").touch()
    if fate == "breaks":
        raise BrokenModelError("this model cannot be trained")
    if fate == "is interrupted":
        raise KeyboardInterrupt
    if fate == "is interrupted in Beam":
        with beam.Pipeline() as pipeline:
            _ = pipeline | beam.Create([1]) | beam.Map(_interrupt)
    model.set_string_custom_property("trained_by", fate)


@component
def push(model: InputArtifact[Model], pushed: OutputArtifact[Model]):
    pass


@component
def bless(model: InputArtifact[Model], blessing: OutputArtifact[ModelBlessing]):
    blessing.set_int_custom_property("blessed", 1)
    blessing.set_int_custom_property("current_model_id", model.id)


class _NameModels(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        names = [Path(model.uri).parts[-3] for model in input_dict["models"]]
        Path(output_dict["champion"][0].uri, "candidates").write_text(" ".join(names))


class _ChampionSpec(ComponentSpec):
    PARAMETERS = {}
    INPUTS = {
        "models": ChannelParameter(type=Model),
        "live": ChannelParameter(type=Model, optional=True),
    }
    OUTPUTS = {"champion": ChannelParameter(type=Model)}


class Champion(tfx.types.BaseComponent):
    SPEC_CLASS = _ChampionSpec
    EXECUTOR_SPEC = ExecutorClassSpec(_NameModels)

    def __init__(self, models, live=None):
        champion = tfx.dsl.Channel(type=Model)
        super().__init__(_ChampionSpec(models=models, live=live, champion=champion))
