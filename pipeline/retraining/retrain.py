"""One retraining: new spans in, and a better model live, or the old one as it was."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading_report import Reading, check_same
from components.ratings_example_gen.spans import SpansError
from pipeline.config.schema import PipelineConfig
from pipeline.datasets import NAMES
from pipeline.retraining import spans
from pipeline.runs import execute
from pipeline.runs.code_version import version_of_all

# What a retraining that learned nothing new is not repeated for.
VERDICTS = (execute.CHANGED, execute.UNCHANGED, execute.REFUSED)


def plan(config: PipelineConfig, accepted: tuple[str, ...]) -> spans.Window:
    """Looks at the spans of ``data.source``.

    Raises:
        SpansError: There are none, or not such as can be read.
        ChangedSpanError: An old one is not what it was.
        ConfigError: The window cannot be had of them.
    """
    folder = Path(config.data.source)
    if config.data.source in NAMES or not folder.is_dir():
        raise SpansError(
            f"{config.data.source} is no folder of spans; name one, as in: "
            "marquee retrain --data spans"
        )
    taken_in = spans.TakenIn.read(Path(config.out))
    return spans.plan(folder, config.retrain.window, taken_in, accepted)


def last_verdict(config: PipelineConfig, window: spans.Window) -> dict[str, Any] | None:
    """The retraining that learned from the same already; None where there is none."""
    last = spans.TakenIn.read(Path(config.out)).last
    same = (
        last
        and last["fingerprints"] == window.fingerprints
        and last["settings"] == _settings(config)
    )
    return last if same else None


def retrain(
    config: PipelineConfig,
    window: spans.Window,
    run_id: str,
    observer: execute.Observer,
) -> dict[str, Any]:
    """Runs everything on the window's spans, and remembers them.

    A run that stopped (bad input, an anomaly, drift, a failed step) is not remembered:
    the next retraining meets the same spans again.

    Returns:
        The run's object, as ``runs.execute`` does.

    Raises:
        BadInputError: The spans would be read differently from the earlier ones.
    """
    out = Path(config.out)
    layout = check_reading(config, window, spans.TakenIn.read(out))
    run = execute.execute(config, run_id, observer, window, layout)
    if run["run"]["status"] in VERDICTS:
        taken_in = spans.TakenIn.read(out)
        reading = run["data"].get("reading")
        taken_in.add(window, _settings(config), run_id, run["run"]["status"], reading)
        taken_in.write(out)
    return run


def check_reading(
    config: PipelineConfig, window: spans.Window, taken_in: spans.TakenIn
) -> Layout | None:
    """Refuses spans that a guess would read differently from the earlier ones.

    Returns:
        How the spans will be read; None if they are not recognised.

    Raises:
        BadInputError: Both readings differ in a setting that nobody gave.
    """
    folder = Path(config.data.source).absolute()
    layout = execute.recognised(config, folder, window.names)
    if taken_in.reading and layout and layout.reading:
        earlier = Reading.from_record(taken_in.reading)
        check_same(earlier, layout.reading, config.data.source)
    return layout


def _settings(config: PipelineConfig) -> str:
    """A hash of all that decides what is learned, beside the ratings.

    The folder of the runs is none of that: it may be moved, or restored elsewhere.
    """
    anywhere = msgspec.structs.replace(config, out="")
    digest = hashlib.sha256(msgspec.json.encode(anywhere, order="deterministic"))
    digest.update(version_of_all().encode())
    return digest.hexdigest()
