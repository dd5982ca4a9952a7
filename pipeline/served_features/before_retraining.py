"""What ``marquee retrain`` does about features in the lists of the live version.

If they are not those that it learned from, then something between the events and the
model is wrong, and the new spans may have it as well. A person decides before hours of
training, as with the drift of a span.
"""

import dataclasses
from pathlib import Path

from components.live_models import versions
from pipeline.aside import aside
from pipeline.config.sections import PipelineConfig
from pipeline.list_log.files import files_of


class ServedSkewError(ValueError):
    """Features in served lists are too far from those of training."""


def check_served(config: PipelineConfig) -> list[str]:
    """Compares the newest period of the live version.

    Returns:
        Warnings: alerts that do not stop, and why something was not compared, unless
        there were too few users: a small log would raise that every night.

    Raises:
        ServedSkewError: If ``retrain.served_skew`` is "stop" and there is an alert.
        SchemaError: If the schema cannot be read.
    """
    out, setting = Path(config.out), config.retrain.served_skew
    live = versions.live(out / "live")
    if setting == "off" or live is None or not files_of(out):
        return []
    alerts, reasons = aside(_look, config, live.number)
    if alerts and setting == "stop":
        more = f" (and {len(alerts) - 1} more)" if alerts[1:] else ""
        raise ServedSkewError(
            f"{alerts[0]}{more}. Look with: marquee skew --out {out}. If it is right, "
            "go on with: --set retrain.served_skew=warn, or set other thresholds in "
            "the schema (schema.served)"
        )
    return [*alerts, *(f"served features were not compared: {why}" for why in reasons)]


def _look(config: PipelineConfig, version: int) -> tuple[list[str], list[str]]:
    """Returns the alerts, the furthest from its threshold first, and other problems."""
    from pipeline.served_features.comparison import compare, wanted_by

    wanted = dataclasses.replace(wanted_by(config), only=version)
    found = compare(Path(config.out), wanted)
    alerts = [
        (alert.value / alert.threshold if alert.threshold else float("inf"), text)
        for period in found.compared
        for alert in period.alerts
        for text in [
            f"served features of version {period.version} ({period.model}), "
            f"{period.period}: {alert}"
        ]
    ]
    reasons = [why for period in found.compared for why in period.not_compared]
    if not (found.compared or found.problems or found.too_few):
        reasons.append(f"no list of version {version} has been logged")
    ordered = sorted(alerts, key=lambda alert: -alert[0])
    return [text for _, text in ordered], [*found.problems, *reasons]
