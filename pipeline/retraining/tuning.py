"""Decides which retrainings tune the models first."""

import dataclasses

from pipeline.config.errors import ConfigError
from pipeline.config.sections import PipelineConfig, is_tuned
from pipeline.runs.model_record import live_now
from pipeline.runs.record import RunRecord
from trainer_modules.registry import POPULARITY


@dataclasses.dataclass(frozen=True)
class LastTuning:
    """What is known of the last retraining that tuned the models.

    Attributes:
        retrainings: Number of retrainings from that one on, that one included.
        margin_then: Margin of the live model over popularity after it, or the first
            one that was measured since; None if none was.
        margin: The same after the last retraining.
        metric: The ``gate.metric`` of both margins.
    """

    retrainings: int
    margin_then: float | None
    margin: float | None
    metric: str = ""


def reason_to_tune(config: PipelineConfig, last: LastTuning | None) -> str:
    """Returns why the next retraining tunes the models first; empty if it does not.

    Args:
        config: The settings.
        last: The last tuning by a retraining; None before the first.

    Raises:
        ConfigError: If models are to be tuned, and none takes the result.
    """
    every, below = config.retrain.tune_every, config.retrain.tune_below
    if every is None and below is None:
        return ""
    if not any(is_tuned(config, name) for name in config.models):
        raise ConfigError(
            None,
            None,
            "retrain.tune_below" if every is None else "retrain.tune_every",
            "no model takes the settings that would be found: set models.NAME.tuned to "
            "auto, or remove this setting",
        )
    if last is None:
        return "no retraining has tuned the models yet"
    if every is not None and last.retrainings >= every:
        return f"{last.retrainings} retrainings since the last tuning"
    margin, then = last.margin, last.margin_then
    if below is None or margin is None or then is None:
        return ""
    if then > 0 and margin < below * then:  # what was not above 0 cannot shrink
        return (
            f"the live model's margin over popularity was {margin:.4f}, below "
            f"{below:g} of the {then:.4f} after the last tuning"
        )
    return ""


def after(
    last: LastTuning | None, record: RunRecord, has_tuned: bool
) -> LastTuning | None:
    """Returns what is known of the last tuning after a retraining.

    Args:
        last: What was known before.
        record: The retraining.
        has_tuned: Whether it tuned the models first.
    """
    margin, metric = _margin(record), record.gate.metric or ""
    if has_tuned:
        return LastTuning(1, margin, margin, metric)
    if last is None:
        return None
    then = last.margin_then
    if then is None or last.metric not in ("", metric):  # of another metric
        then = margin
    return LastTuning(last.retrainings + 1, then, margin, metric)


def _margin(record: RunRecord) -> float | None:
    """Returns by how much the live model is better than popularity, on the test split.

    None if popularity was not trained, or the live model not evaluated.
    """
    metric = record.gate.metric or ""
    live_model = live_now(record.models, record.gate.live)
    live = live_model.metrics.get(metric) if live_model else None
    references = [model for model in record.models if model.name == POPULARITY]
    popularity = references[0].metrics.get(metric) if references else None
    return None if live is None or popularity is None else live - popularity
