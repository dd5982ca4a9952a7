"""Runs the same ratings through TFX's own components, with one Example per rating.

A process of its own: ``python -m benchmarks.stock RATINGS OUT``. The model is the
cheapest one that can be evaluated, so that the components are measured.
"""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from tfx import v1 as tfx

from pipeline.beam.options import beam_args
from pipeline.config.sections import BeamConfig
from pipeline.runs.local_runner import run_locally
from pipeline.runs.step_result import StepResult
from trainer_modules import features as f

# The steps that are compared. SchemaGen and the Trainer run too, and do not count.
COUNTED = ("CsvExampleGen", "StatisticsGen", "Transform", "Evaluator")


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Computes vocabularies of users and items, and the label of each row."""
    outputs = {
        name: tft.compute_and_apply_vocabulary(
            inputs[name], num_oov_buckets=1, vocab_filename=name
        )
        for name in (f.USER_ID, f.ITEM_ID)
    }
    return outputs | {f.LABEL: tf.cast(inputs[f.RATING] > 3, tf.int64)}


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Exports a lookup whose score is higher for smaller indices: popular items."""
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    model = tf.Module()
    model.transform = transform.transform_features_layer()
    spec = {f.USER_ID: transform.raw_feature_spec()[f.USER_ID]}
    spec[f.ITEM_ID] = transform.raw_feature_spec()[f.ITEM_ID]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        index = model.transform(tf.io.parse_example(examples, spec))[f.ITEM_ID]
        return {"score": 1 / (1 + tf.cast(tf.reshape(index, [-1]), tf.float32))}

    tf.saved_model.save(
        model, fn_args.serving_model_dir, signatures={"serving_default": serve}
    )


def create_pipeline(ratings: Path, out: Path) -> tfx.dsl.Pipeline:
    """Builds CsvExampleGen to Evaluator with TFX's splits: 2 of 3 rows train."""
    examples = tfx.components.CsvExampleGen(input_base=str(ratings))
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=True
    )
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn=f"{__spec__.name}.{preprocessing_fn.__name__}",
    )
    trainer = tfx.components.Trainer(
        run_fn=f"{__spec__.name}.{run_fn.__name__}",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=tfx.proto.TrainArgs(),
        eval_args=tfx.proto.EvalArgs(),
    )
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        eval_config=eval_config(),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=str(out / "artifacts"),
        components=[examples, statistics, schema, transform, trainer, evaluator],
        metadata_connection_config=(
            tfx.orchestration.metadata.sqlite_metadata_connection_config(
                str(out / "metadata.sqlite")
            )
        ),
        beam_pipeline_args=beam_args(BeamConfig()),
    )


def eval_config() -> tfma.EvalConfig:
    """Returns AUC over rows, and nDCG@10 over the rows of each user."""
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                model_type=tfma.TF_GENERIC,
                signature_name="serving_default",
                label_key=f.LABEL,
            )
        ],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[
            tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="AUC")]),
            tfma.MetricsSpec(
                query_key=f.USER_ID,
                binarize=tfma.BinarizationOptions(top_k_list={"values": [10]}),
                metrics=[
                    tfma.MetricConfig(
                        class_name="NDCG", config=json.dumps({"gain_key": f.LABEL})
                    )
                ],
            ),
        ],
    )


def main(ratings: Path, out: Path) -> None:
    """Runs the pipeline; prints the seconds of each counted step as JSON."""
    pipeline = create_pipeline(ratings, out)
    gc.collect()
    gc.freeze()  # as in our runs

    def ended(step: StepResult) -> None:
        if step.error:
            raise step.error

    steps = run_locally(pipeline, "stock", lambda name: None, ended)
    print(json.dumps({s.name: s.seconds for s in steps if s.name in COUNTED}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
