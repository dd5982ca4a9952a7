"""Champion: chooses, among the judged models, the one to go live."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import msgspec
from tfx import v1 as tfx
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifact_place import LIVE_ORIGIN, ORIGIN, place_of
from components.champion import decision, ledger
from components.champion.chosen_targets import slices_of_items
from components.champion.comparison import interval
from components.champion.driver import Driver
from components.champion.gate import Gate
from components.champion.judged import OVERALL, Judged, Slice
from components.champion.judgements import evaluated_model, read_judged
from components.champion.rules import count_users
from components.live_evaluator.executor import NOT_JUDGED_FILE
from components.live_models import version_ledger, versions
from components.metric_names import AUC, RANKING_METRICS
from components.ratings_example_gen.executor import NEWEST_SPAN
from trainer_modules import features as f
from trainer_modules.model_card import read_card, write_card

DECISION_FILE = "decision.json"
_OTHER_TARGETS = (
    "it was trained with other settings of label or events.judged, and judged on other "
    "targets than the candidates; gate.without_baseline=floors_only replaces it once"
)


class Decision(tfx.dsl.Artifact):
    """``decision.json``: the verdict, rule and metrics of every model."""

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
    """Decides which model goes live, and records why.

    Args:
        models: Models of this run's Trainers; those of failed Trainers are missing.
        evaluations: One evaluation of each model, in any order.
        live_evaluation: LiveEvaluator's evaluation of the live model.
        examples: The data that all models were judged on.
        gate: Bounds of the rules: a ``Gate`` as JSON.
        reference: Name of the model that is the bar.
        live_folder: Folder of the live versions.
        code_version: Part of the cache key.
        champion: A copy of the chosen model; empty if none was chosen.
        blessing: Blessed if the chosen model is not live already; records the version
            that was live.
        decided: The verdicts.
        span_statistics: Statistics of the newest span. They go live with the model, so
            that later spans can be compared with them.
    """
    del code_version
    rules, folder = msgspec.json.decode(gate, type=Gate), Path(live_folder)
    live_version = versions.live_number(folder)
    candidates = [_candidate(models, evaluation.uri) for evaluation in evaluations]
    bar = _bar(folder, candidates, reference, rules, live_evaluation.uri)
    before = ledger.read(folder).opened(version_ledger.lifetime(folder), live_version)
    verdicts, after = decision.decide(candidates, bar, rules, reference, before)
    made = _Made(rules, reference, bar, list(zip(candidates, verdicts, strict=True)))
    if made.chosen is not None:
        _copy(made.chosen, champion)
        if span_statistics is not None:
            _add_statistics(champion, span_statistics)
    _bless(blessing, made.is_news, live_version, champion.uri)
    # Serving looks here for the data that a live model was judged with.
    live_origin = place_of(bar.live.uri) if bar.live else ""
    decided.set_string_custom_property(LIVE_ORIGIN, live_origin)
    io_utils.write_string_file(
        os.path.join(decided.uri, DECISION_FILE),
        json.dumps(made.report(examples.uri), indent=1),
    )
    # Last: a step that is killed earlier has not decided, and counts its users again.
    ledger.write(folder, after)


Champion.DRIVER_CLASS = Driver


@dataclasses.dataclass(frozen=True)
class _Made:
    """A decision that was made.

    Attributes:
        gate: The bounds of the rules.
        reference: Name of the model that is the bar.
        bar: The reference and the live model.
        verdicts: Every candidate with its verdict.
    """

    gate: Gate
    reference: str
    bar: decision.Bar
    verdicts: list[tuple[Judged, decision.Verdict]]

    @property
    def chosen(self) -> Judged | None:
        """The candidate that is to be live; None if there is none."""
        return next(
            (c for c, verdict in self.verdicts if verdict.verdict == decision.LIVE),
            None,
        )

    @property
    def is_news(self) -> bool:
        """Whether a candidate was chosen that is not live already."""
        if self.chosen is None:
            return False
        live = self.bar.live
        return live is None or place_of(self.chosen.uri) != place_of(live.uri)

    def report(self, examples_uri: str) -> dict[str, Any]:
        """Returns the content of ``decision.json``."""
        live = self.bar.live
        return {
            "metric": self.gate.metric,
            "reference": self.reference,
            "gate": msgspec.structs.asdict(self.gate),
            "examples": examples_uri,
            "live": {
                "model": live.name if live else None,
                "uri": live.uri if live else None,
                "problem": self.bar.live_problem,
                "metrics": dict(live.slices[OVERALL].metrics) if live else {},
            },
            "champion": self.chosen.name if self.chosen else None,
            "changed": self.is_news,
            "models": [
                _entry(candidate, verdict, self.gate)
                for candidate, verdict in self.verdicts
            ],
        }


def _bar(
    live_folder: Path,
    candidates: list[Judged],
    reference: str,
    rules: Gate,
    live_evaluation_uri: str,
) -> decision.Bar:
    live, problem = _live(live_folder, candidates, live_evaluation_uri)
    withdrawn = version_ledger.withdrawn(live_folder)
    return decision.Bar(
        next((c for c in candidates if c.name == reference), None),
        live,
        problem,
        rules.without_baseline == "refuse",
        frozenset(c.uri for c in candidates if place_of(c.uri) in withdrawn),
    )


def _candidate(models: list[Any], evaluation_uri: str) -> Judged:
    folder = evaluated_model(evaluation_uri)
    model = next(m for m in models if f"/{place_of(m.uri)}/" in folder)
    return read_judged(evaluation_uri, folder, model.uri)


def _live(
    live_folder: Path, candidates: list[Judged], evaluation_uri: str
) -> tuple[Judged | None, str]:
    """Returns the live model with its judgement, or why it could not be judged."""
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
    origin = place_of(read_card(folder).origin)
    if origin != version.origin:
        return None, (
            f"{folder} was judged, but version {version.number} is another model"
        )
    live = read_judged(evaluation_uri, folder, origin)
    return (live, "") if _can_compare(live, candidates) else (None, _OTHER_TARGETS)


def _can_compare(live: Judged, candidates: list[Judged]) -> bool:
    users = live.slices[OVERALL].users
    return all(users.has_targets_of(c.slices[OVERALL].users) for c in candidates)


def _entry(candidate: Judged, verdict: decision.Verdict, gate: Gate) -> dict[str, Any]:
    """Returns the entry of a candidate in ``decision.json``."""
    overall = candidate.slices[OVERALL]
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
        "intervals": _intervals(overall, gate, gate.metric, AUC),
        "slices": {
            name: {
                "users": count_users(part.users, gate.metric),
                "metrics": dict(part.metrics),
                "intervals": _intervals(part, gate, gate.metric),
            }
            for name, part in sorted(
                {**candidate.slices, **_items(overall, gate)}.items()
            )
            if name != OVERALL
        },
    }


def _intervals(part: Slice, gate: Gate, *metrics: str) -> dict[str, list[float]]:
    """Returns both ends of the intervals of those metrics that were measured."""
    found = {
        metric: interval(part.users, metric, gate.confidence)
        for metric in metrics
        if part.users.has(metric)
    }
    return {metric: [ends.lower, ends.upper] for metric, ends in found.items()}


def _items(overall: Slice, gate: Gate) -> dict[str, Slice]:
    """Returns the slices of the targets by their items.

    TFMA's slices divide users, not the targets of a user.
    """
    return {
        name: Slice(
            {
                metric: interval(users, metric, gate.confidence).value
                for metric in RANKING_METRICS
            },
            users,
        )
        for name, users in slices_of_items(overall.users).items()
    }


def _copy(chosen: Judged, champion: Any) -> None:
    """Copies a model into the champion's artifact, and records its origin."""
    champion.set_string_custom_property(ORIGIN, place_of(chosen.uri))
    folder = path_utils.serving_model_path(champion.uri)
    io_utils.copy_dir(path_utils.serving_model_path(chosen.uri), folder)
    card = read_card(folder)
    write_card(folder, msgspec.structs.replace(card, origin=place_of(chosen.uri)))


def _bless(blessing: Any, is_blessed: bool, live_version: int, model_uri: str) -> None:
    """Writes a blessing as TFX's Evaluator does, with the version that was live."""
    blessing.set_int_custom_property("blessed", int(is_blessed))
    blessing.set_int_custom_property("live_version", live_version)
    blessing.set_string_custom_property("current_model", model_uri)
    io_utils.write_string_file(
        os.path.join(blessing.uri, "BLESSED" if is_blessed else "NOT_BLESSED"), ""
    )


def _add_statistics(champion: Any, statistics: Any) -> None:
    """Copies the statistics of the newest span into the champion's folder."""
    folder = path_utils.serving_model_path(champion.uri)
    [split] = artifact_utils.decode_split_names(statistics.split_names)
    split_folder = artifact_utils.get_split_uri([statistics], split)
    io_utils.copy_file(
        os.path.join(split_folder, DEFAULT_FILE_NAME),
        os.path.join(folder, f.SPAN_STATISTICS_FILE),
        overwrite=True,
    )
    newest_span = statistics.get_string_custom_property(NEWEST_SPAN)
    card = read_card(folder)
    write_card(folder, msgspec.structs.replace(card, newest_span=newest_span))
