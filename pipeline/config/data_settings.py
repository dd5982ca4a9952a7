"""Translates a configuration into the settings of the component that reads ratings."""

import codecs
import dataclasses
import itertools
from pathlib import Path

from components.ratings_example_gen import Settings
from components.ratings_example_gen.dialect import DELIMITER_NAMES, Dialect
from components.ratings_example_gen.events import Events
from pipeline.config.data_section import DataConfig
from pipeline.config.dialect_checks import DIALECT
from pipeline.config.events_section import EventsConfig
from pipeline.config.sections import PipelineConfig

# The texts that YAML reads as null if they have no quotes.
_UNQUOTED = ("NULL", "null")


def data_settings(config: PipelineConfig) -> Settings:
    """Returns how data is read by a run, ``marquee data`` and ``schema propose``.

    What depends on the run, such as spans and the range of ratings, is left open.
    """
    data, split = config.data, config.split
    return Settings(
        columns=dict(data.columns),
        events=_events(config.events),
        dialect=dialect_of(data),
        users=data.users,
        items=data.items,
        user_columns=dict(data.user_columns),
        item_columns=dict(data.item_columns),
        split_kind=split.kind,
        eval_fraction=split.eval_fraction,
        test_fraction=split.test_fraction,
        seed=split.seed,
        held_out_items=split.held_out_items,
        repeats=data.repeats,
        max_history=data.max_history,
        max_bad_fraction=data.max_bad_fraction,
    )


def settings_to_look(config: PipelineConfig) -> Settings:
    """Returns ``data_settings`` with the kinds of features in the schema, if it is set.

    Raises:
        SchemaError: If the schema cannot be used.
    """
    if config.schema.path is None:
        return data_settings(config)
    from components.anomaly_gate.schema import feature_kinds, read_schema

    kinds = feature_kinds(read_schema(Path(config.schema.path)))
    return dataclasses.replace(data_settings(config), kinds=kinds)


def _events(config: EventsConfig) -> Events | None:
    """Returns what the types of events mean; None if none are configured."""
    if not config.types:
        return None
    weights = {name: kind.rating for name, kind in config.types.items()}
    return Events(weights, tuple(config.judged_types()))


def dialect_of(data: DataConfig) -> Dialect:
    """Returns how text files are written, as far as it is configured."""
    values = {name: getattr(data, name) for name in DIALECT}
    for name in ("quote", "escape", "thousands"):
        if values[name] == "none":
            values[name] = ""
    if data.encoding is not None:
        values["encoding"] = codecs.lookup(data.encoding).name
    values["delimiter"] = DELIMITER_NAMES.get(data.delimiter or "", data.delimiter)
    if data.null_values is not None:
        given = [_UNQUOTED if text is None else (text,) for text in data.null_values]
        values["null_values"] = tuple(dict.fromkeys(itertools.chain(*given)))
    return Dialect(**values)
