"""Renders the report of studies."""

import dataclasses
from collections.abc import Sequence

from components.wording import counted
from pipeline.runs.setting_importance import MIN_TRIALS, setting_importances
from pipeline.runs.tuned import TUNED_FILE, TunedModel, data_option
from pipeline.views.formatting import short
from pipeline.views.html.one_file import render_page
from pipeline.views.html.tuning.charts import best_so_far, by_result, charts_of


@dataclasses.dataclass(frozen=True)
class Studies:
    """The contents of the report.

    Attributes:
        run: ID of the run.
        source: The data that the models were tuned on.
        metric: The metric that judges trials on the eval split; more is better.
        models: The studies; those without trials have an error, or did not start.
    """

    run: str
    source: str
    metric: str
    models: Sequence[TunedModel]


def render(studies: Studies) -> str:
    """Returns the page as HTML that makes no network request."""
    found = [model for model in studies.models if model.trials]
    importances = {
        model.name: setting_importances(model.trials, model.space) for model in found
    }
    charts = {
        name: chart
        for model in found
        for name, chart in charts_of(model, studies.metric, importances[model.name])
    }
    better = [model for model in found if not model.trials[0].is_first]
    return render_page(
        "tuning.html.j2",
        charts,
        studies=studies,
        found=found,
        links=[(f"model-{model.name}", model.name) for model in found],
        short=short,
        failed=[model for model in studies.models if model.error],
        headline=f"Better settings for {len(better)} of {counted(len(found), 'model')}"
        if better
        else "No better settings than the present ones",
        tone="good" if better else "warning",
        importances=importances,
        min_trials=MIN_TRIALS,
        best_so_far=best_so_far,
        by_result=by_result,
        settings=_settings,
        tuned_file=TUNED_FILE,
        data_option=data_option(studies.source),
    )


def _settings(model: TunedModel) -> list[str]:
    """Returns the settings that some trial has, in the order of the space."""
    tried = {name for trial in model.trials for name in trial.values}
    return [*(name for name in model.space if name in tried)]
