"""Records of runs, built from the record's own classes so that they cannot drift."""

import msgspec

from pipeline.config.sections import PipelineConfig
from pipeline.runs import record, span_record
from pipeline.runs.model_record import GateRecord, JudgedLive, ModelRecord


def make_record(run_id="20261122-031500", **changes):
    """Returns the record of a run on the sample that made mf_als live."""
    metrics = {
        **{"ndcg@10": 0.1213, "hit_rate@10": 0.21, "mrr": 0.1, "recall@10": 0.21},
        **{"coverage@10": 0.4, "precision@10": 0.02, "mean_rank_auc": 0.9, "auc": 0.71},
    }
    model = ModelRecord(
        name="mf_als",
        state="trained",
        verdict="live",
        rule="the best of those that passed",
        metrics=metrics,
        parameters=346_000,
        train_seconds=3.8,
        share_of_users=1.0,
    )
    made = record.RunRecord(
        run=record.About(
            id=run_id,
            started="2026-11-22T03:15:00+00:00",
            seconds=83.2,
            out="marquee-out",
            status=record.Status.CHANGED,
            log=f"marquee-out/runs/{run_id}/run.log",
        ),
        config=msgspec.to_builtins(PipelineConfig()),
        data=record.DataRecord(
            source="sample",
            users=1000,
            items=800,
            ratings=80_000,
            sparsity=0.9,
            first="2019-01-01T09:22:25+00:00",
            last="2022-03-01T00:42:27+00:00",
        ),
        rows=record.Rows(80_010, 79_990, 3, 10, 7),
        steps=[
            record.StepRecord(name=name, state="done", seconds=2.0)
            for name in ("RatingsExampleGen", "Transform", "Trainer_mf_als", "Pusher")
        ],
        models=[model],
        live=record.Live("1", "mf_als"),
        gate=GateRecord("ndcg@10", JudgedLive()),
        changed=True,
        schema_version=record.SCHEMA_VERSION,
    )
    return msgspec.structs.replace(made, **changes)


def write_record(out, run_id="20261122-031500", **changes):
    """Writes such a record to the ``run.json`` of an output folder, and returns it."""
    made = make_record(run_id, **changes)
    path = out / "runs" / run_id / record.RUN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    record.write_record(path, made)
    return made


def make_spans(*names, **changes):
    """Returns spans that arrived in order, with the given fields changed."""
    window = dict.fromkeys(span_record.Spans.__dataclass_fields__, ())
    usual = {"names": names, "new": names[1:], "fingerprints": {}, "drift": None}
    return span_record.Spans(**{**window, **usual, **changes})
