"""What a person may choose, and how a YAML file and ``--set`` become that choice.

Every key of ``configs/default.yaml`` is a field of one of the structs below; a field's
type says all that may stand there. Whatever is wrong is a ``ConfigError`` before any
work starts, with the file, the line, the key, what was expected and the nearest name.
"""

import contextlib
import dataclasses
import difflib
import re
import sys
import time
import typing
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from pipeline import DEFAULT_OUT, secrets
from trainer_modules.configs import LOSSES, GradientConfig, SequenceConfig, parse
from trainer_modules.registry import MODELS, POPULARITY

SplitKind = Literal["leave_last_out", "temporal", "random"]
Repeats = Literal["latest", "first", "highest"]

# The metrics that a gate may use: of each, more is better and 1 is the most.
RankingMetric = Literal[
    "hit_rate@10",
    "ndcg@10",
    "mrr",
    "recall@10",
    "precision@10",
    "mean_rank_auc",
    "coverage@10",
]
LabelMetric = Literal["auc", "accuracy", "precision", "recall"]
# Models are compared by what can be measured of each user, or weighed by user.
ComparedMetric = Literal[
    "hit_rate@10", "ndcg@10", "mrr", "recall@10", "precision@10", "mean_rank_auc", "auc"
]
LABEL_METRICS: tuple[str, ...] = typing.get_args(LabelMetric)
RANKING_METRICS: tuple[str, ...] = typing.get_args(RankingMetric)
GATE_METRICS: tuple[str, ...] = RANKING_METRICS + LABEL_METRICS
# Shown, but no bar: the sampled ones say nothing that the full ones do not (DESIGN.md
# 4), and of an error less is better.
SHOWN_METRICS = (
    "sampled_hit_rate@10",
    "sampled_ndcg@10",
    "log_loss",
    "calibration",
    "rmse",
)

# Keys of a mapping: strings to the type checker, one of the names to us.
Column = Annotated[
    str, Meta(extra={"names": ("user_id", "item_id", "rating", "timestamp")})
]
ItemColumn = Annotated[str, Meta(extra={"names": ("item_id", "title")})]
UserColumn = Annotated[str, Meta(extra={"names": ("user_id",)})]
Floor = Annotated[str, Meta(extra={"names": GATE_METRICS})]
Slice = Annotated[
    str,
    Meta(
        pattern="^(activity|user_.+)$",
        description="'activity', or a side feature of users, as 'user_gender'",
    ),
]
# A Meta's description is what an error says was expected.
Share = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
PartOfRatings = Annotated[
    float, Meta(gt=0, lt=1, description="a number above 0 and below 1")
]
Size = Annotated[
    float, Meta(ge=0, le=sys.float_info.max, description="a number, at least 0")
]
Hours = Annotated[
    float, Meta(gt=0, le=8760, description="a number of hours, above 0 and up to 8760")
]
Count = Annotated[int, Meta(ge=1, description="a whole number, at least 1")]
Seed = Annotated[
    int, Meta(ge=0, lt=2**31, description="a whole number from 0 to 2147483647")
]
Text = Annotated[str, Meta(min_length=1, description="text")]
Threshold = Annotated[
    str,
    Meta(
        pattern=r"^(all|>=? *-?\d+(\.\d+)?)$",
        description="'all', '> x' or '>= x' with a number x, in quotes",
    ),
]
Window = Annotated[
    str,
    Meta(
        pattern=r"^(all|[1-9]\d* (spans|days))$",
        description="'all', 'N spans' or 'N days'",
    ),
]
Negative = Annotated[
    str,
    Meta(
        pattern=r"^<=? *-?\d+(\.\d+)?$",
        description="'< x' or '<= x' with a number x, in quotes",
    ),
]
Address = Annotated[
    str, Meta(pattern=r"^[^\s:]+:\d+$", description="host:port, as 'localhost:8099'")
]
Workers = Annotated[
    str,
    Meta(
        pattern=r"^(loopback|[^\s:]+:\d+)$",
        description="'loopback', or host:port of worker pools",
    ),
]
Flag = Annotated[
    str, Meta(pattern="^--", description="a flag of Beam, as '--job_name=nightly'")
]
_COLUMNS = ("data.columns.", "data.item_columns.", "data.user_columns.")
_OF_OWN_DATA = ("items", "users", "columns", "item_columns", "user_columns")
_NOT_GIVEN: tuple[Any, ...] = (None, False, {})
# How a person's own text is written (components/ratings_example_gen/dialect.py).
DIALECT = (
    *("delimiter", "encoding", "quote", "escape", "header", "decimal", "thousands"),
    *("timestamp_format", "timestamp_unit", "timezone", "null_values", "keep_blanks"),
)
_TEXTS = (
    Text,
    Text | None,
    Threshold,
    Negative | None,
    Window,
    Address,
    Workers,
    Flag,
)
# What a model's setting of a plain type may be; another bound stands as an Annotated
# type at the setting itself.
_SETTINGS: dict[Any, Any] = {
    int: Count,
    float: Size,
    tuple[int, ...]: tuple[Count, ...],
    tuple[float, ...]: tuple[Size, ...],
}


class ConfigError(Exception):
    """A configuration that cannot be used; nothing was started.

    Attributes:
      file: the YAML file at fault; None for a flag.
      line: its line, counted from 1; None where no line is at fault.
      key: the dotted key, with the flag in front where a flag set it.
      message: what is wrong, what was expected, and the nearest valid name.
    """

    def __init__(
        self, file: Path | None, line: int | None, key: str | None, message: str
    ):
        self.file, self.line, self.key, self.message = file, line, key, message
        place = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        super().__init__(f"{place}{f'{key}: ' if key else ''}{message}")


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    r"""Which ratings to read, and how.

    Attributes:
      source: ``sample``, a MovieLens release (``ml-1m`` …) or the path of a file or
        folder of one's own.
      items: File with the items' features; None looks among the ratings and beside a
        single file of them; ``none`` reads no such file.
      users: File with the users' features, in the same way.
      item_columns: Which column of the items' file is the ``item_id`` and the
        ``title``: a header's name, or a number counted from 0. What is not named is
        recognised by its header; all other columns are features.
      user_columns: Which column of the users' file is the ``user_id``, in the same way.
      columns: which column is the ``user_id``, ``item_id``, ``rating`` and
        ``timestamp``: a header's name, or a number counted from 0 where there is no
        header. Empty: recognised by layout or header. ``none`` for ``rating`` or
        ``timestamp`` does not read them.
      delimiter: Between fields of text: comma, semicolon, tab, pipe, whitespace (runs
        of blanks and tabs), or the mark itself, such as ``::``. This and what follows
        down to ``null_values`` is guessed where it is null, and every guess is shown.
      encoding: Of text, as Python names it: utf-8, latin-1, utf-16 …
      quote: Mark around fields that hold separators or line ends; ``none`` for no such
        mark.
      escape: Mark that takes the meaning from the next one, as in ``\"``; ``none``.
      header: Whether the first line of text names the columns.
      decimal: Decimal mark of ratings.
      thousands: Mark between groups of three digits.
      timestamp_format: ``iso8601``, or a format of Python's ``strptime``, such as
        ``%d.%m.%Y %H:%M``.
      timestamp_unit: Unit of times that are numbers, since 1970.
      timezone: IANA name of the zone of times without an offset; UTC where it is null.
        Of the hour that occurs twice in autumn, the first one is meant.
      null_values: Texts that stand for no value; a row without a user or an item is
        bad. Null: NULL, null, \N, NaN, nan, None, NA, N/A and <NA>. A null in the
        list means the texts NULL and null, which YAML reads so without quotes.
      keep_blanks: Keep blanks around ids; otherwise they are cut off.
      max_bad_fraction: share of rows that may be bad; they go to a quarantine file. 0
        stops the run at the first.
      repeats: Which rating counts where a user rated an item several times: the
        ``latest``, the ``first`` or the ``highest``. Equal times, and ratings without
        times, are taken in the order of the files.
      max_history: ratings kept of one user, the newest; the others are counted.
    """

    source: Text = "sample"
    items: Text | None = None
    users: Text | None = None
    item_columns: dict[ItemColumn, Text] = {}
    user_columns: dict[UserColumn, Text] = {}
    columns: dict[Column, Text] = {}
    delimiter: Text | None = None
    encoding: Text | None = None
    quote: Text | None = None
    escape: Text | None = None
    header: bool | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Text | None = None
    timestamp_format: Text | None = None
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    timezone: Text | None = None
    null_values: list[str | None] | None = None
    keep_blanks: bool = False
    max_bad_fraction: Share = 0.0
    repeats: Repeats = "latest"
    max_history: Count = 10_000


class SplitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ratings train, and which judge.

    Attributes:
      kind: ``leave_last_out`` (each user's last rating is the test, the one before
        the eval), ``temporal`` (two cuts in time for everybody) or ``random`` (only to
        reproduce published tables).
      eval_fraction: share of the ratings in ``eval``; not for ``leave_last_out``.
      test_fraction: share of the ratings in ``test``; not for ``leave_last_out``.
      seed: decides the ``random`` split.
    """

    kind: SplitKind = "leave_last_out"
    eval_fraction: PartOfRatings = 0.1
    test_fraction: PartOfRatings = 0.1
    seed: Seed = 0


class LabelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a rating counts as liked.

    Attributes:
      threshold: ``all``, ``> x`` or ``>= x``, with x in the ratings' own unit.
      negative: ``< x`` or ``<= x``: when it counts as disliked; what is neither is left
        out of training and judging. None: all that is not liked is disliked.
    """

    threshold: Threshold = "> 3"
    negative: Negative | None = None


class VocabularyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ids get a row of their own.

    Attributes:
      min_item_ratings: items with fewer ratings share the unknown item's row, which
        so learns what a new item deserves.
      leave_out: side features that no model reads.
    """

    min_item_ratings: Count = 2
    leave_out: list[Text] = []


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How every model is trained; a model's own settings stand under ``models``.

    Attributes:
      seed: of weights, shuffling and drawn negatives.
      require_gpu: fail, and say so, when TensorFlow sees no GPU.
      mixed_precision: compute in 16 bits where the GPU is faster so; weights stay
        float32.
      warm_start: start from the live model where it is of the same kind; for models
        that learn by gradient descent.
    """

    seed: Seed = 0
    require_gpu: bool = False
    mixed_precision: bool = False
    warm_start: bool = False


class EvaluationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far evaluation goes.

    Attributes:
      max_scored_pairs: users x items scored at most for one model; beyond, a seeded
        sample of users is judged, and the report says so.
      num_sampled_negatives: beside each target in the ``sampled_`` metrics; published
        figures are of 99 or 100.
    """

    max_scored_pairs: Count = 200_000_000
    num_sampled_negatives: Count = 99


def _default_floors() -> dict[Floor, Share]:
    return {"auc": 0.5, "ndcg@10": 0.01, "hit_rate@10": 0.02}


class GateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model must show before it may go live (``components/champion/rules.py``).

    Attributes:
      metric: The metric by which models are compared; the best one goes live.
      floors: Metric → the least value that passes; AUC and a ranking metric always.
      max_loss: Absolute loss in ``metric`` against the live model; a model that surely
        loses more is refused.
      min_gain_over_popularity: Absolute gain in ``metric`` over popularity required.
      min_users: Users with a target by which ``metric`` is measured; with fewer in the
        test split, no model goes live.
      slices: What users are divided by: ``activity``, or a side feature.
      min_slice_users: Users with a target; smaller slices are reported but never refuse
        a model.
      confidence: Confidence level of the intervals; 1 minus it is the accepted chance
        of a false promotion while one version is live.
      min_score_std: Standard deviation of all scores; below it, a model scores
        everybody alike.
      min_calibration: Predicted over observed likes, at least, for models whose scores
        are probabilities.
      max_calibration: Upper bound on the same ratio.
      min_coverage_of_live: Share of the live model's catalogue coverage required.
      without_baseline: What to do where the live model cannot be judged: ``refuse``
        everything, or hold candidates against the other rules alone.
    """

    metric: ComparedMetric = "ndcg@10"
    floors: dict[Floor, Share] = msgspec.field(default_factory=_default_floors)
    max_loss: Share = 0.005
    min_gain_over_popularity: Share = 0.0
    min_users: Count = 100
    slices: list[Slice] = msgspec.field(default_factory=lambda: ["activity"])
    min_slice_users: Count = 100
    confidence: PartOfRatings = 0.95
    min_score_std: Size = 0.01
    min_calibration: Size = 0.5
    max_calibration: Size = 2.0
    min_coverage_of_live: Share = 0.5
    without_baseline: Literal["refuse", "floors_only"] = "refuse"


class ServingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model may take where it serves; a pushed model stayed within.

    Attributes:
      infra_check: where the champion is asked before a push: in a ``process`` of its
        own, or in TensorFlow Serving on ``docker`` or ``kubernetes``, which knows no
        bounds but ``check_seconds``.
      check_seconds: for loading it and all questions of the check before a push.
      max_memory_mb: resident, TensorFlow's own included.
      max_latency_ms: median of one answer, 1,000 candidates or a whole list.
      max_size_mb: of its files.
      keep_versions: of those that were live; the one before the live one stays always.
    """

    infra_check: Literal["process", "docker", "kubernetes"] = "process"
    check_seconds: Size = 120.0
    max_memory_mb: Size = 4000.0
    max_latency_ms: Size = 250.0
    max_size_mb: Size = 2000.0
    keep_versions: Count = 5


class SchemaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the data must look like.

    Attributes:
      path: a schema of one's own (``marquee schema propose`` writes one); None: the
        curated ``schema/ratings.pbtxt``.
      spans: a schema with drift comparators; None: ``schema/spans.pbtxt``.
    """

    path: Text | None = None
    spans: Text | None = None


class RetrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``marquee retrain`` takes in, beside ``data``.

    Attributes:
      window: ``all``, ``N spans`` (the newest that are whole) or ``N days`` (up to the
        newest; of dated spans).
      drift: what follows where the newest span is past a threshold of
        ``schema.spans`` against the one that the live model learned from: ``stop`` for
        a person, or ``warn`` and go on.
      min_drift_ratings: a span of fewer ratings is not compared.
      max_hours: Time limit of a retraining that ``marquee schedule`` started, waiting
        for another run included; it is stopped then, and the next night runs.
    """

    window: Window = "all"
    drift: Literal["stop", "warn"] = "stop"
    min_drift_ratings: Count = 1000
    max_hours: Hours = 12.0


class BeamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the steps over all ratings run: reading, statistics, Transform, judging.

    Attributes:
      runner: ``direct`` is this process; the others are clusters.
      endpoint: of Beam's job server in front of flink or spark.
      workers: of flink and spark: ``loopback``, threads of this process; or the address
        of a worker pool, as each TaskManager finds its own
        (``pipeline/beam/worker_pool.py``).
      image: A container with this code, for workers; in place of ``workers``. Dataflow
        requires one (docs/adr/0024).
      parallelism: workers of flink; of dataflow the most there may be.
      project: of dataflow.
      region: of dataflow.
      temp_location: of dataflow, a folder in Cloud Storage.
      args: flags of Beam as they are, after those that follow from the above; no
        secrets (``pipeline/secrets.py``).
    """

    runner: Literal["direct", "flink", "spark", "dataflow"] = "direct"
    endpoint: Address = "localhost:8099"
    workers: Workers = "loopback"
    image: Text | None = None
    parallelism: Count = 2
    project: Text | None = None
    region: Text | None = None
    temp_location: Text | None = None
    args: list[Flag] = []


def _default_models() -> dict[str, dict[str, Any]]:
    return {POPULARITY: {}, "mf_als": {}, "neumf": {}}


class PipelineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One run's choices.

    Attributes:
      data: which ratings.
      split: which of them judge.
      label: when a rating counts as liked.
      vocabulary: which ids get a row.
      models: model → settings that differ from its defaults; trained in this order,
        popularity always.
      train: how.
      evaluation: how far.
      gate: the bar.
      serving: what a live model may take.
      schema: what the data must look like.
      retrain: what ``marquee retrain`` takes in.
      beam: where the steps over all ratings run.
      out: folder of the metadata store, artifacts, live models and runs.
    """

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    label: LabelConfig = LabelConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    models: dict[str, dict[str, Any]] = msgspec.field(default_factory=_default_models)
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GateConfig = GateConfig()
    serving: ServingConfig = ServingConfig()
    schema: SchemaConfig = SchemaConfig()
    retrain: RetrainConfig = RetrainConfig()
    beam: BeamConfig = BeamConfig()
    out: Text = DEFAULT_OUT


def load_config(
    path: Path | None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, str]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> PipelineConfig:
    """Reads a configuration and checks all of it.

    Args:
      path: a YAML file; None for the defaults. A mapping of models or floors in the
        file stands in place of the default one.
      overrides: ``key=value`` with a dotted key, as ``--set`` takes them; the value is
        YAML, and is added to a mapping rather than put in its place.
      flags: flag of the command line → the key that it sets, and the text.
      defaults: key → text, of a command whose default is another than the file's.

    Raises:
      ConfigError: for the first thing that is wrong.
    """
    document = _Document(path)
    for override in overrides:
        document.override(override)
    for flag, (key, text) in (flags or {}).items():
        document.put(key, text, flag)
    for key, text in (defaults or {}).items():
        if key not in document:
            document.put(key, text, "by default")
    config = msgspec.convert(document.checked(), PipelineConfig)
    if config.label.threshold == "all" and "gate.floors" not in document:
        # Without a disliked rating there is no such metric to hold against a model.
        floors = {k: v for k, v in config.gate.floors.items() if k not in LABEL_METRICS}
        gate = msgspec.structs.replace(config.gate, floors=floors)
        config = msgspec.structs.replace(config, gate=gate)
    _check_combinations(config, document)
    config = _with_models(config, config.models)
    for name, settings in config.models.items():
        if problem := _model_problem(name, settings, config):
            raise document.error(f"models.{name}", problem)
    return config


def select_models(config: PipelineConfig, names: Iterable[str]) -> PipelineConfig:
    """Narrows a run to some models, with the settings that the config has for them.

    Args:
      config: a checked configuration.
      names: registered models, or only ``all`` for every one of them.

    Raises:
      ConfigError: for an unknown name, or none at all.
    """
    chosen = list(MODELS) if list(names) == ["all"] else list(names)
    for name in chosen:
        if name not in MODELS:
            message = f"no model {name!r}{_nearest(name, MODELS)}"
            raise ConfigError(None, None, "--models", message)
    if not chosen:
        message = f"no model named; choose from {', '.join(MODELS)} or all"
        raise ConfigError(None, None, "--models", message)
    models = {name: config.models.get(name, {}) for name in chosen}
    for name in models:
        if problem := _model_problem(name, models[name], config):
            raise ConfigError(None, None, f"--models {name}", problem)
    return _with_models(config, models)


def _with_models(
    config: PipelineConfig, models: Mapping[str, dict[str, Any]]
) -> PipelineConfig:
    """Puts the floor first where it is missing: nothing passes without it."""
    floor = {POPULARITY: config.models.get(POPULARITY, {})}
    if POPULARITY in models:
        floor = {}
    return msgspec.structs.replace(config, models=floor | dict(models))


def _model_problem(
    name: str, settings: Mapping[str, Any], config: PipelineConfig
) -> str | None:
    """Why a model cannot learn what it is told to; None where it can."""
    model = parse(MODELS[name].config_class, settings)
    if not isinstance(model, GradientConfig):
        return None
    if model.loss not in LOSSES[model.task]:
        return (
            f"the task {model.task} cannot learn by {model.loss}; choose from "
            f"{', '.join(LOSSES[model.task])}"
        )
    if (model.task == "next_item") != isinstance(model, SequenceConfig):
        return (
            f"{name} learns {MODELS[name].task}: only models that read the order of a "
            "history learn next_item, and those learn nothing else"
        )
    if model.task != "rating" and not model.num_negatives:
        return f"the task {model.task} needs num_negatives, at least 1"
    learns_labels = model.task == "rating" and model.loss == "cross_entropy"
    if learns_labels and config.label.threshold == "all" and not model.num_negatives:
        return (
            "it learns liked from disliked ratings, and with label.threshold 'all' "
            f"none is disliked; set models.{name}.num_negatives, or a threshold"
        )
    return None


def _check_combinations(config: PipelineConfig, document: "_Document") -> None:
    """Refuses choices that are valid alone and impossible together."""
    from pipeline.datasets import NAMES  # imports numpy: not for `marquee models`

    split, gate, data = config.split, config.gate, config.data
    held_out = split.eval_fraction + split.test_fraction
    if held_out >= 1:
        key = "test_fraction" if "split.test_fraction" in document else "eval_fraction"
        raise document.error(
            f"split.{key}",
            f"eval_fraction + test_fraction is {held_out:g}, which leaves nothing to "
            "train on; their sum must be below 1",
        )
    if config.label.threshold == "all":
        if config.label.negative is not None:
            raise document.error(
                "label.negative",
                "with label.threshold 'all' every rating is liked, and none can be "
                "disliked; leave it out, or set a threshold, as in '> 3'",
            )
        for key, metric in (
            ("gate.metric", gate.metric),
            *((f"gate.floors.{metric}", metric) for metric in gate.floors),
        ):
            if metric in LABEL_METRICS:
                raise document.error(
                    key,
                    f"{metric} compares liked with disliked ratings, and with "
                    "label.threshold 'all' none is disliked; gate on a ranking metric: "
                    f"{', '.join(RANKING_METRICS)}",
                )
    gated = {gate.metric, *gate.floors}
    if config.label.threshold != "all" and "auc" not in gated:
        raise document.error(
            "gate.floors", "auc is always among them; give it a floor, as in auc: 0.5"
        )
    if not gated & set(RANKING_METRICS):
        raise document.error(
            "gate.floors",
            "a ranking metric is always among them; give one a floor, or compare by "
            f"one (gate.metric): {', '.join(RANKING_METRICS)}",
        )
    if config.beam.runner == "dataflow":
        for name in ("project", "region", "temp_location", "image"):
            if getattr(config.beam, name) is None:
                raise document.error(
                    f"beam.{name}", "Dataflow needs it; it has no default"
                )
    for name in (*_OF_OWN_DATA, *DIALECT):
        if data.source in NAMES and getattr(data, name) not in _NOT_GIVEN:
            raise document.error(
                f"data.{name}",
                f"{data.source} has its own; this is for a file or folder of yours, "
                "given as data.source or --data",
            )
    _check_dialect(data, document)
    for name in ("columns", "item_columns", "user_columns"):
        columns = [each for each in getattr(data, name).values() if each != "none"]
        if len(set(columns)) < len(columns):
            raise document.error(
                f"data.{name}",
                "one column is given twice; each needs a column of its own",
            )


def _check_dialect(data: DataConfig, document: "_Document") -> None:
    """Refuses marks, encodings and time zones that do not exist."""
    for name in ("quote", "escape", "thousands"):
        mark = getattr(data, name)
        if mark not in (None, "none") and (len(mark) > 1 or not mark.isascii()):
            message = f"expected one ASCII character or none, got {mark!r}"
            raise document.error(f"data.{name}", message)
    for name in ("delimiter", "quote", "escape", "thousands"):
        mark = getattr(data, name) or ""
        if len(mark) == 1 and (mark.isalnum() or mark in "+-" * (name == "thousands")):
            message = f"{mark!r} is part of values, and cannot be a mark between them"
            raise document.error(f"data.{name}", message)
    marks = [mark for mark in (data.decimal, data.thousands) if mark]
    if len(set(marks)) < len(marks):
        message = f"is {data.thousands!r}, as data.decimal is; one mark cannot be both"
        raise document.error("data.thousands", message)
    if data.timestamp_format is not None and data.timestamp_unit is not None:
        message = "is for times that are numbers, which data.timestamp_format excludes"
        raise document.error("data.timestamp_unit", message)
    if data.timestamp_format not in (None, "iso8601"):
        try:
            time.strptime("", data.timestamp_format)
        except (ValueError, re.error) as error:
            if "does not match" not in str(error):
                message = f"is not a format of strptime ({error}); expected such as "
                message += "'%d.%m.%Y %H:%M'"
                raise document.error("data.timestamp_format", message) from error
    if data.encoding is not None:
        try:
            "".encode(data.encoding)
        except LookupError as error:
            message = f"no encoding {data.encoding!r}; such as utf-8, latin-1 or utf-16"
            raise document.error("data.encoding", message) from error
    if data.timezone is not None:
        try:
            zoneinfo.ZoneInfo(data.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f"no time zone {data.timezone!r}; expected a name such as "
            message += "Europe/Berlin or UTC"
            raise document.error("data.timezone", message) from error


class _Loader(yaml.SafeLoader):
    """Plain YAML: no tags, no anchors; ``1e-3`` is a number, 2026-11-22 a text."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuses what makes a value other than it looks."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # in types-pyyaml
        if isinstance(event, yaml.AliasEvent) or event.tag is not None:
            raise yaml.MarkedYAMLError(
                problem="tags and aliases are not supported; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in _Loader.yaml_implicit_resolvers.items()
}


@contextlib.contextmanager
def _plain_yaml(text: str | bytes) -> Iterator[_Loader]:
    """Yields a loader of a text.

    Raises:
      YAMLError: the text is not plain YAML, or is nested too deeply to be read.
    """
    loader = _Loader(text)
    try:
        yield loader
    except RecursionError:
        raise yaml.MarkedYAMLError(
            problem="nested too deeply; no setting needs more than five levels",
            problem_mark=loader.get_mark(),
        ) from None


def read_yaml(path: Path) -> Any:
    """Reads a file of plain YAML: no tags, no aliases.

    Raises:
      ConfigError: it cannot be read.
    """
    try:
        with _plain_yaml(path.read_bytes()) as loader:
            return loader.get_single_data()
    except OSError as error:
        raise ConfigError(path, None, None, error.strerror or str(error)) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(path, *_yaml_problem(error)) from error


class _Document:
    """What a person gave in a file and by ``--set``, and where each key came from."""

    def __init__(self, path: Path | None):
        self._file = path
        self._values: Any = {}
        self._origins: dict[str, int | str] = {}  # dotted key → line, or the flag
        self._texts: dict[str, str] = {}  # dotted key → a scalar as it was written
        if path is not None:
            try:
                self._values = self._parsed(path.read_bytes(), "")
            except OSError as error:
                message = f"cannot be read: {error.strerror}"
                raise ConfigError(path, None, None, message) from error
            except yaml.YAMLError as error:
                raise ConfigError(path, *_yaml_problem(error)) from error

    def __contains__(self, key: str) -> bool:
        """Whether a person gave the key or something below it."""
        return any(_is_within(given, key) for given in self._origins)

    def error(self, key: str, message: str) -> ConfigError:
        """The error for a key, at the place that set it or the section around it."""
        place = key
        while place and place not in self._origins:
            place = place.rpartition(".")[0]
        origin = self._origins.get(place)
        if isinstance(origin, str):
            return ConfigError(None, None, f"{origin} {key}", message)
        return ConfigError(self._file, origin, key or None, message)

    def override(self, override: str) -> None:
        """Adds a ``key=value``, the value being YAML."""
        key, equals, text = override.partition("=")
        if not equals or not all(key.strip().split(".")):
            message = "expected key=value, as in --set split.kind=temporal"
            flag = f"--set {secrets.masked(override)}"
            raise ConfigError(None, None, flag, message)
        self.put(key.strip(), text, "--set", is_yaml=True)

    def put(self, key: str, text: str, flag: str, is_yaml: bool = False) -> None:
        """Adds what a flag says; it counts more than the file."""
        *sections, name = key.split(".")
        values = self._values
        default: Any = msgspec.to_builtins(PipelineConfig())
        for depth, section in enumerate(sections, start=1):
            if not isinstance(values, dict):
                break
            self._origins.setdefault(".".join(sections[:depth]), flag)
            default = default.get(section) if isinstance(default, dict) else None
            # A setting joins the default models and floors; what lacks in another
            # section gets its default anyway.
            if values.get(section) is None:
                values[section] = default or {}
            values = values[section]
        self._origins = {
            given: origin
            for given, origin in self._origins.items()
            if not _is_within(given, key)
        }
        self._origins[key] = flag
        if not isinstance(values, dict):
            section = ".".join(sections)
            raise self.error(key, f"{section} is {_show(values)}, not a section")
        self._texts[key] = values[name] = text
        if is_yaml:
            # What is no YAML stays text: a '> 3' whose quotes the shell ate.
            with contextlib.suppress(yaml.YAMLError):
                values[name] = self._parsed(text, key, flag)

    def _parsed(self, text: str | bytes, key: str, flag: str | None = None) -> Any:
        with _plain_yaml(text) as loader:
            node = loader.get_single_node()
            return None if node is None else self._plain(loader, node, key, flag)

    def _plain(
        self, loader: _Loader, node: yaml.Node, key: str, flag: str | None
    ) -> Any:
        """Builds the node's value, and notes where each key in it comes from."""
        if isinstance(node, yaml.ScalarNode):
            self._texts[key] = node.value
        if not isinstance(node, yaml.MappingNode):
            try:
                return loader.construct_object(node, deep=True)
            except ValueError as error:  # 0b_ looks like a number to PyYAML
                raise yaml.MarkedYAMLError(
                    problem=str(error), problem_mark=node.start_mark
                ) from error
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            inner = f"{key}.{name}" if key else name
            first = self._origins.get(inner)
            self._origins[inner] = flag or name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise self.error(inner, "a key must be a plain name")
            if name in values:
                where = "" if flag else f", first in line {first}"
                raise self.error(inner, f"given twice{where}; keep one")
            values[name] = self._plain(loader, value_node, inner, flag)
        return values

    def checked(self) -> Any:
        """The values as ``PipelineConfig`` takes them, each name and type checked.

        Raises:
          ConfigError: one is wrong, or is a secret.
        """
        if found := secrets.problem(self._values):
            raise self.error(*found)
        return self._checked(PipelineConfig, self._values, "")

    def _checked(self, wanted: Any, value: Any, key: str) -> Any:
        fields = _fields(wanted, key)
        if fields is None:
            return self._checked_value(wanted, value, key)
        values = {} if value is None else value
        if not isinstance(values, dict):
            message = f"expected the keys {', '.join(fields)}; got {_show(value)}"
            raise self.error(key, message)
        checked = {}
        for name, inner in values.items():
            place = f"{key}.{name}" if key else name
            if name not in fields:
                what = f"{key} has no" if key else "there is no"
                message = f"{what} {name!r}{_nearest(name, fields)}"
                raise self.error(place, message)
            checked[name] = self._checked(fields[name], inner, place)
        return checked

    def _checked_value(self, wanted: Any, value: Any, key: str) -> Any:
        # Column 0, and a folder called 2024 in a --set: text all the same.
        is_text = isinstance(self._origins.get(key), str) or key.startswith(_COLUMNS)
        if is_text and wanted in _TEXTS and isinstance(value, bool | int | float):
            value = self._texts[key]
        wanted = _SETTINGS.get(wanted, wanted)
        if typing.get_origin(wanted) is Literal and value not in typing.get_args(
            wanted
        ):
            names = typing.get_args(wanted)
            nearest = _nearest(str(value), names, is_key=False)
            raise self.error(key, f"no {_show(value)}{nearest}")
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            message = f"expected {expected(wanted)}, got {_show(value)}"
            raise self.error(key, message) from error
        return value


def _fields(wanted: Any, key: str) -> dict[str, Any] | None:
    """Name → type of what may stand in a section; None for a single value."""
    if key == "models":
        return {name: spec.config_class for name, spec in MODELS.items()}
    if typing.get_origin(wanted) is dict:
        names, inner = typing.get_args(wanted)
        return dict.fromkeys(names.__metadata__[0].extra["names"], inner)
    if dataclasses.is_dataclass(wanted) or hasattr(wanted, "__struct_fields__"):
        return typing.get_type_hints(wanted, include_extras=True)
    return None


def _is_within(key: str, section: str) -> bool:
    return key == section or key.startswith(f"{section}.")


def _yaml_problem(error: Exception) -> tuple[int | None, None, str]:
    """The line, no key, and the message of a syntax error."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return None, None, f"not YAML: {' '.join(str(error).split())}"
    mark = error.problem_mark
    line = mark.line + 1 if mark else None
    if error.context and "block scalar" in error.context:
        return line, None, "a value that starts with '>' needs quotes, as in \"> 3\""
    return line, None, f"not YAML: {error.problem}"


def _nearest(name: str, names: Iterable[str], is_key: bool = True) -> str:
    """What to write instead of an unknown name, of a key or of a choice."""
    choices = list(names)
    if name in SHOWN_METRICS:
        return f": it is shown, but is no bar; choose from {', '.join(choices)}"
    if not choices:
        return "; it has no settings"
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    elsewhere = {key.rpartition(".")[2]: key for key in known_keys()}
    close = difflib.get_close_matches(name.rpartition(".")[2], elsewhere, n=1)
    if close and is_key:
        return f"; did you mean {elsewhere[close[0]]}?"
    return f"; expected one of {', '.join(choices)}"


def known_keys() -> Iterable[str]:
    """Every dotted key there is, of settings and sections."""
    return _known_keys(PipelineConfig, "")


def _known_keys(wanted: Any, key: str) -> Iterable[str]:
    """Every dotted key below one."""
    for name, inner in (_fields(wanted, key) or {}).items():
        place = f"{key}.{name}" if key else name
        yield place
        yield from _known_keys(inner, place)


def expected(wanted: Any) -> str:
    """What may stand where a type is wanted, in a person's words."""
    wanted = _SETTINGS.get(wanted, wanted)
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        return str(wanted.__metadata__[0].description)
    if origin is Literal:
        return ", ".join(inner[:-1]) + f" or {inner[-1]}"
    if origin is dict:
        names, values = inner
        known = ", ".join(names.__metadata__[0].extra["names"])
        return f"a mapping of {known} to {expected(values)}"
    if origin in (tuple, list):
        return f"a list, each {expected(inner[0])}"
    if inner:
        lists_last = sorted(
            inner, key=lambda each: getattr(each, "__origin__", None) is list
        )
        return " or ".join(expected(each) for each in lists_last)
    return {bool: "true or false", str: "text", type(None): "null"}[wanted]


def _show(value: Any) -> str:
    """A value in an error: short, and on one line."""
    if isinstance(value, dict):
        return f"the keys {', '.join(value)}" if value else "an empty section"
    if isinstance(value, list):
        return f"the list {secrets.masked(repr(value)):.60}"
    if value is None:
        return "nothing"
    return f"{secrets.masked(repr(value)):.60}"
