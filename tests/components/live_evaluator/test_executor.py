"""A live model that cannot be judged is reported, and fails nothing."""

from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.champion.gate import Gate
from components.live_evaluator.executor import NOT_JUDGED_FILE, Executor
from pipeline.evaluation import eval_config


@pytest.fixture
def judged(tmp_path):
    """What is written of a model, or of none."""

    def run(model_uri):
        evaluation = standard_artifacts.ModelEvaluation()
        evaluation.uri = str(tmp_path / "evaluation")
        Path(evaluation.uri).mkdir()
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / "examples")
        examples.split_names = '["test"]'
        file = tmp_path / "examples" / "Split-test" / "data_tfrecord-00000-of-00001.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            writer.write(tf.train.Example().SerializeToString())
        inputs = {"examples": [examples]}
        if model_uri:
            model = standard_artifacts.Model()
            model.uri = str(model_uri)
            inputs["model"] = [model]
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=["--runner=DirectRunner"], tmp_dir=str(tmp_path)
        )
        Executor(context).Do(
            inputs,
            {"evaluation": [evaluation], "blessing": []},
            {
                "eval_config": proto_utils.proto_to_json(eval_config(Gate())),
                "example_splits": '["test"]',
            },
        )
        return Path(evaluation.uri, NOT_JUDGED_FILE).read_text()

    return run


def test_nothing_live_is_told(judged):
    assert "not in the metadata store" in judged(None)


def test_a_model_with_an_operation_on_files_is_not_loaded(judged, tmp_path):
    """Somebody put it into the folder of versions; its graph writes when it is run."""
    written, folder = tmp_path / "written", tmp_path / "model" / "Format-Serving"

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(examples):
        tf.raw_ops.WriteFile(filename=str(written), contents="x")
        return {"score": tf.strings.length(examples)}

    tf.saved_model.save(tf.Module(), str(folder), signatures=serve)
    assert "WriteFile" in judged(tmp_path / "model")
    assert not written.exists()


def test_a_model_whose_files_are_gone_is_told_with_the_reason(judged, tmp_path):
    told = judged(tmp_path / "gone")
    assert str(tmp_path / "gone") in told
