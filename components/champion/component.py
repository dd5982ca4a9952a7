"""Champion: the judged models in, the one to go live out, with its reasons."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifact_place import LIVE_ORIGIN, ORIGIN, place_of
from components.champion import decision, ledger
from components.champion.comparison import interval
from components.champion.driver import Driver
from components.champion.judgements import evaluated_model, read_judged
from components.champion.rules import OVERALL, Gate, Judged, count_users
from components.live_evaluator.executor import NOT_JUDGED_FILE
from components.live_models import version_ledger, versions
from components.metric_names import AUC
from components.ratings_example_gen.executor import NEWEST_SPAN
from trainer_modules import features as f
from trainer_modules.model_card import read_card, write_card

DECISION_FILE = "decision.json"


class Decision(tfx.dsl.Artifact):
    """``decision.json``: every model's verdict, rule and metrics, and what is live."""

    TYPE_NAME = "marquee.Decision"


@tfx.dsl.components.component
def Champion(  # noqa: N802 - TFX names a component like the class that it becomes
    models: tfx.dsl.components.InputArtifact[list[standard_artifacts.Model]],
    evaluations: tfx.dsl.components.InputArtifact[
        list[standard_artifacts.ModelEvaluation]
    ],
    live_evaluation: tfx.dsl.components.InputArtifact[
        standard_artifacts.ModelEvaluation
    ],
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    gate: tfx.dsl.components.Parameter[str],
    needs_live: tfx.dsl.components.Parameter[bool],
    reference: tfx.dsl.components.Parameter[str],
    live_folder: tfx.dsl.components.Parameter[str],
    code_version: tfx.dsl.components.Parameter[str],
    champion: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    blessing: tfx.dsl.components.OutputArtifact[standard_artifacts.ModelBlessing],
    decided: tfx.dsl.components.OutputArtifact[Decision],
    span_statistics: tfx.dsl.components.InputArtifact[
        standard_artifacts.ExampleStatistics
    ] = None,
) -> None:
    """Chooses among the models that were judged.

    Args:
        models: What this run's Trainers made, those of failed ones missing.
        evaluations: One for each model, in any order.
        live_evaluation: Of the live model, by LiveEvaluator.
        examples: That all of them were judged on.
        gate: ``Gate`` as JSON.
        needs_live: Whether nothing may go live while the live model cannot be judged.
        reference: The name of the model that is the bar.
        live_folder: Where versions are pushed to.
        code_version: Part of the cache key.
        champion: A copy of the chosen model; empty where nothing was chosen.
        blessing: Given where the chosen model is not the live one already; says which
            version was live.
        decided: The verdicts.
        span_statistics: Of the newest span, which go live with the model, so that later
            spans can be held against them.
    """
    del code_version
    rules = parse_gate(gate)
    candidates = [_candidate(models, evaluation.uri) for evaluation in evaluations]
    live_version = versions.live_number(Path(live_folder))
    live, problem = _live(Path(live_folder), candidates, live_evaluation.uri)
    withdrawn = version_ledger.withdrawn(Path(live_folder))
    bar = decision.Bar(
        next((c for c in candidates if c.name == reference), None),
        live,
        problem,
        needs_live,
        frozenset(c.uri for c in candidates if place_of(c.uri) in withdrawn),
    )
    folder = Path(live_folder)
    before = ledger.read(folder).opened(version_ledger.lifetime(folder), live_version)
    verdicts, after = decision.decide(candidates, bar, rules, reference, before)
    chosen = next(
        (
            candidate
            for candidate, verdict in zip(candidates, verdicts, strict=True)
            if verdict.verdict == decision.LIVE
        ),
        None,
    )
    is_news = chosen is not None and (
        live is None or place_of(chosen.uri) != place_of(live.uri)
    )
    # In the store, where serving looks for the data that a live model was judged with.
    decided.set_string_custom_property(LIVE_ORIGIN, place_of(live.uri) if live else "")
    if chosen is not None:
        champion.set_string_custom_property(ORIGIN, place_of(chosen.uri))
        _copy(chosen, champion)
        if span_statistics is not None:
            _add_statistics(champion, span_statistics)
    blessing.set_int_custom_property("blessed", int(is_news))
    blessing.set_int_custom_property("live_version", live_version)
    blessing.set_string_custom_property("current_model", champion.uri)
    io_utils.write_string_file(
        os.path.join(blessing.uri, "BLESSED" if is_news else "NOT_BLESSED"), ""
    )
    report = {
        "metric": rules.metric,
        "reference": reference,
        "gate": dataclasses.asdict(rules),
        "examples": examples.uri,
        "live": {
            "model": live.name if live else None,
            "uri": live.uri if live else None,
            "problem": problem,
            "metrics": dict(live.slices[OVERALL].metrics) if live else {},
        },
        "champion": chosen.name if chosen else None,
        "changed": is_news,
        "models": [
            _told(candidate, verdict, rules)
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ],
    }
    io_utils.write_string_file(
        os.path.join(decided.uri, DECISION_FILE), json.dumps(report, indent=1)
    )
    # Last: a step that is killed before has not decided, and counts its users again.
    ledger.write(folder, after)


Champion.DRIVER_CLASS = Driver


def parse_gate(told: str) -> Gate:
    """Reads the bar from a parameter that ``dataclasses.asdict`` and JSON made."""
    values = json.loads(told)
    return Gate(**values | {"calibration": tuple(values["calibration"])})


def _candidate(models: list[Any], evaluation_uri: str) -> Judged:
    folder = evaluated_model(evaluation_uri)
    model = next(m for m in models if f"/{place_of(m.uri)}/" in folder)
    return read_judged(evaluation_uri, folder, model.uri)


def _live(
    live_folder: Path, candidates: list[Judged], evaluation_uri: str
) -> tuple[Judged | None, str]:
    """The model that serves as it was judged, or why it could not be."""
    try:
        version = versions.live(live_folder)
        if version is None:
            return None, ""
        versions.verify(version.folder)
    except versions.VersionError as error:
        return None, str(error)
    for candidate in candidates:
        if place_of(candidate.uri) == version.origin:
            return candidate, ""
    not_judged = os.path.join(evaluation_uri, NOT_JUDGED_FILE)
    if tfx.dsl.io.fileio.exists(not_judged):
        with tfx.dsl.io.fileio.open(not_judged) as file:
            return None, file.read()
    folder = evaluated_model(evaluation_uri)
    origin = place_of(read_card(folder)["origin"])
    if origin != version.origin:
        return None, (
            f"{folder} was judged, and version {version.number} serves another model"
        )
    return read_judged(evaluation_uri, folder, origin), ""


def _told(candidate: Judged, verdict: decision.Verdict, gate: Gate) -> dict[str, Any]:
    overall = candidate.slices[OVERALL]
    intervals = {
        metric: interval(overall.users, metric, gate.confidence)
        for metric in (gate.metric, AUC)
        if overall.users.has(metric)
    }
    evidence = verdict.evidence
    return {
        **dataclasses.asdict(verdict),
        "evidence": evidence
        and {
            "value": evidence.value,
            "required": evidence.required(gate.alpha),
            "users": evidence.users,
            "share_of_alpha": evidence.share,
        },
        "uri": candidate.uri,
        "metrics": dict(overall.metrics),
        "intervals": {
            metric: [found.lower, found.upper] for metric, found in intervals.items()
        },
        "slices": {
            name: {
                "users": count_users(part.users, gate.metric),
                "metrics": dict(part.metrics),
            }
            for name, part in sorted(candidate.slices.items())
            if name != OVERALL
        },
    }


def _copy(chosen: Judged, champion: Any) -> None:
    """Copies a model, and records where it is from."""
    folder = path_utils.serving_model_path(champion.uri)
    io_utils.copy_dir(path_utils.serving_model_path(chosen.uri), folder)
    write_card(folder, read_card(folder) | {"origin": place_of(chosen.uri)})


def _add_statistics(champion: Any, statistics: Any) -> None:
    """Puts what the newest span was like into the champion's folder."""
    folder = path_utils.serving_model_path(champion.uri)
    [split] = artifact_utils.decode_split_names(statistics.split_names)
    split_folder = artifact_utils.get_split_uri([statistics], split)
    io_utils.copy_file(
        os.path.join(split_folder, DEFAULT_FILE_NAME),
        os.path.join(folder, f.SPAN_STATISTICS_FILE),
        overwrite=True,
    )
    newest_span = statistics.get_string_custom_property(NEWEST_SPAN)
    write_card(folder, read_card(folder) | {"newest_span": newest_span})
