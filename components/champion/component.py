"""Champion: the judged models in, the one to go live out, with its reasons."""

import dataclasses
import hashlib
import json
import os
from typing import Any

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils

from components.champion import decision
from components.ranking_metrics.statistics import METRICS
from trainer_modules.model_card import read_card, write_card

DECISION_FILE = "decision.json"
MANIFEST_FILE = "manifest.json"


class Decision(tfx.dsl.Artifact):
    """``decision.json``: every model's verdict, rule and metrics, and what is live."""

    TYPE_NAME = "MarqueeDecision"


@tfx.dsl.components.component
def Champion(  # noqa: N802 - TFX names a component like the class that it becomes
    models: tfx.dsl.components.InputArtifact[list[standard_artifacts.Model]],
    evaluations: tfx.dsl.components.InputArtifact[
        list[standard_artifacts.ModelEvaluation]
    ],
    metric: tfx.dsl.components.Parameter[str],
    min_gain: tfx.dsl.components.Parameter[float],
    reference: tfx.dsl.components.Parameter[str],
    live_folder: tfx.dsl.components.Parameter[str],
    code_version: tfx.dsl.components.Parameter[str],
    champion: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    blessing: tfx.dsl.components.OutputArtifact[standard_artifacts.ModelBlessing],
    decided: tfx.dsl.components.OutputArtifact[Decision],
) -> None:
    """Chooses among the models that the Evaluators blessed.

    Args:
      models: what this run's Trainers made, those of failed ones missing.
      evaluations: one for each model, in any order.
      metric: by which models are compared.
      min_gain: needed over the reference.
      reference: the name of the model that is the bar.
      live_folder: where versions are pushed to; the newest is live.
      code_version: part of the cache key.
      champion: a copy of the chosen model with a manifest of checksums; empty where
        nothing passed.
      blessing: given where the chosen model is not the live one already.
      decided: the verdicts.
    """
    del code_version
    candidates = [_candidate(models, evaluation) for evaluation in evaluations]
    live_uri = live_origin(live_folder)
    verdicts = decision.decide(candidates, reference, metric, min_gain, live_uri)
    chosen = next(
        (
            candidate
            for candidate, verdict in zip(candidates, verdicts, strict=True)
            if verdict.verdict == decision.LIVE
        ),
        None,
    )
    is_news = chosen is not None and chosen.uri != live_uri
    if chosen is not None:
        _copy(chosen, champion)
    blessing.set_int_custom_property("blessed", int(is_news))
    blessing.set_string_custom_property("current_model", champion.uri)
    io_utils.write_string_file(
        os.path.join(blessing.uri, "BLESSED" if is_news else "NOT_BLESSED"), ""
    )
    report = {
        "metric": metric,
        "reference": reference,
        "champion": chosen.name if chosen else None,
        "changed": is_news,
        "models": [
            dataclasses.asdict(verdict) | {"uri": c.uri, "metrics": c.metrics}
            for c, verdict in zip(candidates, verdicts, strict=True)
        ],
    }
    io_utils.write_string_file(
        os.path.join(decided.uri, DECISION_FILE), json.dumps(report, indent=1)
    )


def _candidate(models: list[Any], evaluation: Any) -> decision.Candidate:
    result = tfma.load_eval_result(evaluation.uri)
    # TFMA drops the name of a model that was evaluated alone.
    name = next(s.name for s in result.config.model_specs if not s.is_baseline)
    if name:
        result = tfma.load_eval_result(evaluation.uri, model_name=name)
    model = next(
        m for m in models if result.model_location.startswith(f"{m.uri.rstrip('/')}/")
    )
    metrics = {
        metric: _number(value)
        for metric, value in result.get_metrics_for_slice().items()
        if metric in METRICS  # and not its difference from the live model's
    }
    return decision.Candidate(
        name=read_card(path_utils.serving_model_path(model.uri))["model"],
        uri=model.uri,
        metrics=metrics,
        failures=_failures(evaluation.uri),
    )


def _number(value: dict[str, Any]) -> float:
    return float(value.get("doubleValue", "nan"))


def _failures(evaluation_uri: str) -> tuple[str, ...]:
    """What TFMA's validation found, in words.

    It also finds a loss wherever the live model's metric is 0, which has no ratio to
    compare: a live model that finds nothing any more would stay for good.
    """
    validation = tfma.load_validation_result(evaluation_uri)
    found = []
    num_imagined = 0
    for part in validation.metric_validations_per_slice:
        for failure in part.failures:
            value = failure.metric_value.double_value.value
            bound = failure.metric_threshold
            if failure.metric_key.is_diff:
                allowed = -bound.change_threshold.absolute.value
                if value >= -allowed:
                    num_imagined += 1
                    continue
                text = f"loses {-value:.4f} against the live model, {allowed:g} allowed"
            else:
                floor = bound.value_threshold.lower_bound.value
                text = f"{value:.4f} is below the floor of {floor:g}"
            found.append(f"{failure.metric_key.name} {text}")
    if not found and not num_imagined and not validation.validation_ok:
        found.append("the Evaluator did not bless it, and gave no reason")
    return tuple(found)


def live_origin(live_folder: str) -> str | None:
    """The Model artifact that the live version is a copy of; None if none is live."""
    fileio = tfx.dsl.io.fileio
    if not fileio.exists(live_folder):
        return None
    versions = [name for name in fileio.listdir(live_folder) if name.isdigit()]
    if not versions:
        return None
    newest = os.path.join(live_folder, max(versions, key=int))
    return str(read_card(newest)["origin"])


def _copy(chosen: decision.Candidate, champion: Any) -> None:
    """Copies a model, and writes down where it is from and what its files hash to."""
    folder = path_utils.serving_model_path(champion.uri)
    io_utils.copy_dir(path_utils.serving_model_path(chosen.uri), folder)
    write_card(folder, read_card(folder) | {"origin": chosen.uri})
    checksums = {}
    for parent, _, files in tfx.dsl.io.fileio.walk(folder):
        for file in files:
            path = os.path.join(parent, file)
            with tfx.dsl.io.fileio.open(path, "rb") as opened:
                content = opened.read()
            checksums[os.path.relpath(path, folder)] = hashlib.sha256(
                content
            ).hexdigest()
    io_utils.write_string_file(
        os.path.join(folder, "assets.extra", MANIFEST_FILE),
        json.dumps({"sha256": dict(sorted(checksums.items()))}, indent=1),
    )
