"""The settings of a configuration that decide how ratings are read."""

from components.ratings_example_gen import Settings
from pipeline.config import PipelineConfig


def data_settings(config: PipelineConfig) -> Settings:
    """Returns how a run reads its data, and so ``marquee data`` and ``schema propose``.

    What depends on the run, such as spans and the range of ratings, is left open.
    """
    data, split = config.data, config.split
    return Settings(
        columns=dict(data.columns),
        users=data.users,
        items=data.items,
        user_columns=dict(data.user_columns),
        item_columns=dict(data.item_columns),
        split_kind=split.kind,
        eval_fraction=split.eval_fraction,
        test_fraction=split.test_fraction,
        seed=split.seed,
        repeats=data.repeats,
        max_history=data.max_history,
        max_bad_fraction=data.max_bad_fraction,
    )
