"""The gate behind TFX's own StatisticsGen and ExampleValidator, on small data."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf
from tfx import v1 as tfx
from tfx.v1.dsl.components import OutputArtifact, Parameter, component
from tfx.v1.types.standard_artifacts import Examples

from components.anomaly_gate import AnomaliesError
from components.anomaly_gate.component import AnomalyGate
from components.anomaly_gate.schema import CURATED_SCHEMA
from pipeline.runs.local_runner import run_locally

pytestmark = pytest.mark.integration

CLEAN = {
    "user_id": ["u1"],
    "item_id": ["a", "b"],
    "rating": [5.0, 0.5],
    "timestamp": [978300760, 978300761],
}
BROKEN = {"user_shoe_size": ["43"], **CLEAN, "rating": [9.0, 0.5]}


def serialized(record):
    def feature(values):
        if isinstance(values[0], str):
            encoded = [value.encode() for value in values]
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    named = {name: feature(values) for name, values in record.items()}
    return tf.train.Example(
        features=tf.train.Features(feature=named)
    ).SerializeToString()


@component
def write_examples(splits: Parameter[str], examples: OutputArtifact[Examples]):
    records = json.loads(splits)
    examples.split_names = json.dumps(list(records))
    for split, rows in records.items():
        tf.io.gfile.makedirs(f"{examples.uri}/Split-{split}")
        path = f"{examples.uri}/Split-{split}/data-00000-of-00001.gz"
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for row in rows:
                writer.write(serialized(row))


@pytest.fixture
def gate(tmp_path):
    """Runs splits of records through the gate: its result, and what it wrote."""

    def _gate(**splits):
        ingest = write_examples(splits=json.dumps(splits)).with_id("Ingest")
        examples = ingest.outputs["examples"]
        statistics = tfx.components.StatisticsGen(examples=examples)
        schema = tfx.components.ImportSchemaGen(schema_file=str(CURATED_SCHEMA))
        validator = tfx.components.ExampleValidator(
            statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"],
        )
        checked = AnomalyGate(
            statistics=statistics.outputs["statistics"],
            anomalies=validator.outputs["anomalies"],
            source="my/ratings.csv",
        )
        pipeline = tfx.dsl.Pipeline(
            "test",
            str(tmp_path / "artifacts"),
            components=[ingest, statistics, schema, validator, checked],
            beam_pipeline_args=["--runner=DirectRunner"],
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.sqlite")
                )
            ),
        )
        *others, last = run_locally(pipeline, "1", lambda name: None, lambda _: None)
        assert {result.state for result in others} == {"done"}
        assert last.name == "AnomalyGate"
        written = tmp_path.glob("artifacts/AnomalyGate/checked/*/checked.json")
        return last, [json.loads(file.read_text()) for file in written]

    return _gate


def test_clean_data_passes_and_its_rows_are_counted(gate):
    result, written = gate(train=[CLEAN, CLEAN], eval=[CLEAN])
    assert result.state == "done"
    assert written == [{"train": 2, "eval": 1}]


def test_anomalies_in_any_split_stop_the_run(gate):
    result, written = gate(train=[CLEAN, CLEAN], eval=[BROKEN], test=[])
    assert result.state == "failed"
    assert isinstance(result.error, AnomaliesError)
    assert [(a.split, a.feature, a.kind) for a in result.error.anomalies] == [
        ("eval", "rating", "FLOAT_TYPE_BIG_FLOAT"),
        ("eval", "user_shoe_size", "SCHEMA_NEW_COLUMN"),
        ("test", "", "DATA_MISSING"),  # ExampleValidator blesses a split without rows
    ]
    message = str(result.error)
    assert "(3 anomalies)" in message
    assert "eval: rating: Out-of-range values: Unexpectedly high value: 9>5" in message
    assert "eval: user_shoe_size: New column" in message
    assert "marquee schema propose my/ratings.csv" in message
    assert "marquee data" not in message  # It does not know of any schema.
    assert written == []


def test_error_is_known_without_importing_tfx():
    script = (
        "import sys; from components.anomaly_gate import AnomaliesError; "
        "assert issubclass(AnomaliesError, ValueError); "
        "assert not {'tfx', 'tensorflow', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
