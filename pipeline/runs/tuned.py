"""The result of `marquee tune`: the trials of each model, and a file to keep."""

import datetime
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components import durable_files
from pipeline.config.sections import PipelineConfig, untuned
from pipeline.config.tuning_spaces import spaces
from pipeline.datasets import NAMES
from pipeline.runs import store_lookups
from pipeline.runs.metadata_store import METADATA_FILE, artifact_folder, open_metadata
from pipeline.runs.record import StepRecord
from pipeline.runs.step_outputs import Outputs, Trial, read_trials
from pipeline.runs.step_result import StepResult
from trainer_modules.configs.search import Space

TUNED_FILE = "tuned.yaml"  # in the folder of the run


@dataclass(frozen=True)
class TunedModel:
    """The study of one model.

    Attributes:
        name: Name of the model.
        trials: The trials, the best one first; none if the study failed.
        space: The settings that were tried, with their axes.
        error: Why the study failed; empty if it did not.
    """

    name: str
    trials: Sequence[Trial]
    space: Space
    error: str = ""

    @property
    def before(self) -> float | None:
        """The metric of the settings as they were; None if no such trial ended."""
        firsts = (t.metric for t in self.trials if t.is_first)
        return next((metric for metric in firsts if metric is not None), None)


def collect_tuned(
    config: PipelineConfig,
    steps: Sequence[StepResult | StepRecord],
    outputs: Outputs,
) -> list[TunedModel]:
    """Returns the study of each model that was to be tuned."""
    names = {step.name for step in steps}
    errors = {step.name: str(step.error) for step in steps if step.error}
    tried = spaces(config)
    return [
        TunedModel(
            name,
            read_trials(outputs, name),
            tried[name],
            errors.get(f"Tuner_{name}", ""),
        )
        for name in config.models
        if f"Tuner_{name}" in names
    ]


def newest_settings(out: Path) -> dict[str, dict[str, Any]]:
    """Returns what ``tuned: auto`` takes: the settings found last, by the model's name.

    Args:
        out: Folder of the runs.
    """
    if not (out / METADATA_FILE).is_file():
        return {}
    store = open_metadata(out / METADATA_FILE)
    found = {}
    for model, places in sorted(store_lookups.tuned_settings(store).items()):
        newest = store_lookups.newest_tuned(store, places)
        if newest is not None:
            [file] = artifact_folder(out, places[newest]).iterdir()
            found[model] = json.loads(file.read_text())
    return found


def write_tuned(
    config: PipelineConfig, run_id: str, models: Sequence[TunedModel]
) -> Path | None:
    """Writes the best settings as a configuration file, and returns its path.

    Nothing is written if every study failed.

    Args:
        config: The configuration that the studies began with.
        run_id: ID of the run.
        models: The studies.
    """
    found = [model for model in models if model.trials]
    if not found:
        return None
    own = untuned(config).models
    settings: dict[str, Any] = {
        model.name: {**own[model.name], **model.trials[0].values} for model in found
    }
    day = datetime.datetime.now(datetime.UTC).date()
    source = " ".join(config.data.source.split())  # a query may have several lines
    lines = [
        f"# Found by marquee tune on {source}, run {run_id}, {day}.",
        *(
            f"# {model.name}: {config.gate.metric} {model.trials[0].metric:.4f} on the "
            f"eval split, {len(model.trials)} trials"
            for model in found
        ),
    ]
    text = yaml.safe_dump({"models": settings}, sort_keys=False)
    path = Path(config.out) / "runs" / run_id / TUNED_FILE
    durable_files.write(path, ("\n".join(lines) + "\n" + text).encode())
    return path


def data_option(source: str) -> str:
    """Returns the option of a command, in any folder, that reads the same data.

    Args:
        source: Name of a data set, or path of the ratings.
    """
    if source not in NAMES and "://" not in source:
        source = str(Path(source).expanduser().absolute())
    return f"--data {shlex.quote(source)}"
