"""The record of a run as JSON: what users parse, and what older releases wrote."""

import json
import math

import msgspec
import pytest

from components.infra_check.figures import Answer, ServingCheck
from components.ratings_example_gen.spans import Overlap
from pipeline.runs.model_record import (
    Evidence,
    Finding,
    Interval,
    SliceFigures,
)
from pipeline.runs.record import (
    SCHEMA_VERSION,
    RecordError,
    Serves,
    SideFile,
    read_record,
)
from pipeline.runs.span_record import Distance, Drift
from tests.support.run_record import make_record, make_spans, write_record

# Every key of `marquee show --json` that programs may read.
KEYS = {
    "": "changed config data gate live models not_pushed on_trial rows run "
    "schema_version serves spans steps",
    "run": "id log moved_from out seconds started status",
    "data": "duplicate_users event_types first items items_file "
    "items_first_rated_in_test last late_keys one_label ratings reading snapshots "
    "source sparsity users users_file",
    "data.items_file": "file first_missing matched rated repeated",
    "spans": "drift empty fingerprints gone held late missing names new overlaps "
    "too_late unfinished",
    "spans.drift": "live_span measured not_compared span",
    "spans.drift.measured.0": "distance feature is_drift threshold value",
    "spans.overlaps.0": "ratings spans",
    "rows": "duplicates kept merged quarantined read truncated",
    "steps.0": "cached error name peak_memory seconds state",
    "models.0": "evidence findings intervals metrics name parameters rule "
    "samples_per_second share_of_users slices state train_seconds verdict",
    "models.0.evidence": "required share_of_alpha users value",
    "models.0.findings.0": "interval metric passed rule slice words",
    "models.0.findings.0.interval": "lower num_users upper value",
    "models.0.slices.new": "intervals metrics users",
    "live": "model version",
    "serves": "run source",
    "gate": "live metric serving",
    "gate.live": "metrics model problem uri",
    "gate.serving": "answers blessed check load_seconds peak_bytes problems size_bytes",
    "gate.serving.answers.a user": "median_ms num_scores worst_ms",
    "gate.serving.answers.garbage": "",
}


@pytest.fixture
def full():
    """A record in which every part is present."""
    usual = make_record()
    answers = {
        "a user": Answer(num_scores=10, median_ms=1.0, worst_ms=2.0),
        "garbage": Answer(),
    }
    drift = Drift(
        live_span="1",
        not_compared="",
        measured=[Distance(feature="rating", value=0.3, threshold=0.1, is_drift=True)],
    )
    overlaps = (Overlap(("1", "2"), 3),)
    model = msgspec.structs.replace(
        usual.models[0],
        findings=[Finding("floor", "", "auc", Interval(1, 1, 1, 9), True, "words")],
        slices={"new": SliceFigures(3, {"auc": 0.5})},
        evidence=Evidence(2.0, 20.0, 9, 1.0),
    )
    gate = msgspec.structs.replace(
        usual.gate,
        serving=ServingCheck("process", True, [], 10, 0.5, 20, answers),
    )
    return make_record(
        data=msgspec.structs.replace(
            usual.data, items_file=SideFile("items.csv", 2, 1, ["x"], 0)
        ),
        spans=make_spans("1", "2", drift=drift, overlaps=overlaps),
        models=[model],
        gate=gate,
        serves=Serves(run="r1", source="sample"),
    )


def at(value, path):
    for part in path.split(".") if path else ():
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


@pytest.mark.parametrize("path", KEYS)
def test_json_keeps_its_keys(full, path):
    printed = json.loads(msgspec.json.encode(full))
    assert sorted(at(printed, path)) == KEYS[path].split()


def test_a_record_is_read_as_it_was_written(full, tmp_path):
    fields = {name: getattr(full, name) for name in full.__struct_fields__}
    write_record(tmp_path, "r1", **fields)
    path = tmp_path / "runs" / "r1" / "run.json"
    assert read_record(path) == full
    assert json.loads(path.read_text()) == json.loads(msgspec.json.encode(full))


def test_what_could_not_be_measured_is_null_in_json(tmp_path):
    usual = write_record(tmp_path, "r1")
    metrics = {"a": math.nan, "b": math.inf, "c": 1.5, "d": None}
    model = msgspec.structs.replace(usual.models[0], metrics=metrics)
    write_record(tmp_path, "r1", models=[model])
    path = tmp_path / "runs" / "r1" / "run.json"
    written = json.loads(path.read_text(), parse_constant=pytest.fail)
    nothing = {"a": None, "b": None, "c": 1.5, "d": None}
    assert written["models"][0]["metrics"] == nothing
    assert read_record(path).models[0].metrics == nothing


def test_a_file_name_that_is_not_utf_8_is_recorded(tmp_path):
    usual = write_record(tmp_path, "r1")
    data = msgspec.structs.replace(usual.data, source="caf\udce9.csv")
    write_record(tmp_path, "r1", data=data)
    read = read_record(tmp_path / "runs" / "r1" / "run.json")
    assert read.data.source == "caf\udce9.csv"


def test_a_run_of_before_there_were_versions_is_read(tmp_path):
    write_record(tmp_path, "r1")
    path = tmp_path / "runs" / "r1" / "run.json"
    old = json.loads(path.read_text())
    for key in ("schema_version", "serves", "gate", "not_pushed", "spans"):
        del old[key]
    del old["run"]["moved_from"], old["models"][0]["evidence"]
    old["data"] = {"source": "sample"}  # as it was when reading had failed
    path.write_text(json.dumps(old))
    read = read_record(path)
    assert (read.schema_version, read.data.users, read.gate.live) == (0, None, None)


def test_a_run_of_a_newer_release_says_what_to_do(tmp_path):
    write_record(tmp_path, "r1", schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(RecordError, match=r"newer release: .* is 2, .*Upgrade"):
        read_record(tmp_path / "runs" / "r1" / "run.json")


def test_a_setting_of_another_release_does_not_hide_the_others():
    from components.champion.gate import Gate

    config = {"gate": {"metric": "auc", "of_another_release": 7}}
    gate = make_record(config=config).section("gate", Gate)
    assert (gate.metric, gate.confidence) == ("auc", Gate().confidence)
