"""What a person may choose, and how a YAML file and ``--set`` become that choice.

Every key of ``configs/default.yaml`` is a field of one of the structs below; a field's
type says all that may stand there. Whatever is wrong is a ``ConfigError`` before any
work starts, with the file, the line, the key, what was expected and the nearest name.
"""

from typing import Any, Literal

import msgspec

from components.metric_names import ComparedMetric
from pipeline import DEFAULT_OUT
from pipeline.config.types import (
    Address,
    Column,
    Count,
    Flag,
    Floor,
    Hours,
    ItemColumn,
    Negative,
    PartOfRatings,
    Repeats,
    Seed,
    Share,
    Size,
    Slice,
    SplitKind,
    Text,
    Threshold,
    UserColumn,
    Window,
    Workers,
)
from trainer_modules.registry import POPULARITY


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
        user_columns: Which column of the users' file is the ``user_id``, in the same
            way.
        columns: Which column is the ``user_id``, ``item_id``, ``rating`` and
            ``timestamp``: a header's name, or a number counted from 0 where there is no
            header. Empty: recognised by layout or header. ``none`` for ``rating`` or
            ``timestamp`` does not read them.
        delimiter: Between fields of text: comma, semicolon, tab, pipe, whitespace (runs
            of blanks and tabs), or the mark itself, such as ``::``. This and what
            follows down to ``null_values`` is guessed where it is null, and every guess
            is shown.
        encoding: Of text, as Python names it: utf-8, latin-1, utf-16 …
        quote: Mark around fields that hold separators or line ends; ``none`` for no
            such mark.
        escape: Mark that takes the meaning from the next one, as in ``\"``; ``none``.
        header: Whether the first line of text names the columns.
        decimal: Decimal mark of ratings.
        thousands: Mark between groups of three digits.
        timestamp_format: ``iso8601``, or a format of Python's ``strptime``, such as
            ``%d.%m.%Y %H:%M``.
        timestamp_unit: Unit of times that are numbers, since 1970.
        timezone: IANA name of the zone of times without an offset; UTC where it is
            null. Of the hour that occurs twice in autumn, the first one is meant.
        null_values: Texts that stand for no value; a row without a user or an item is
            bad. Null: NULL, null, \N, NaN, nan, None, NA, N/A and <NA>. A null in the
            list means the texts NULL and null, which YAML reads so without quotes.
        keep_blanks: Keep blanks around ids; otherwise they are cut off.
        max_bad_fraction: Share of rows that may be bad; they go to a quarantine file. 0
            stops the run at the first.
        repeats: Which rating counts where a user rated an item several times: the
            ``latest``, the ``first`` or the ``highest``. Equal times, and ratings
            without times, are taken in the order of the files.
        max_history: Ratings kept of one user, the newest; the others are counted.
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
            the eval), ``temporal`` (two cuts in time for everybody) or ``random`` (only
            to reproduce published tables).
        eval_fraction: Share of the ratings in ``eval``; not for ``leave_last_out``.
        test_fraction: Share of the ratings in ``test``; not for ``leave_last_out``.
        seed: Decides the ``random`` split.
    """

    kind: SplitKind = "leave_last_out"
    eval_fraction: PartOfRatings = 0.1
    test_fraction: PartOfRatings = 0.1
    seed: Seed = 0


class LabelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a rating counts as liked.

    Attributes:
        threshold: ``all``, ``> x`` or ``>= x``, with x in the ratings' own unit.
        negative: ``< x`` or ``<= x``: when it counts as disliked; what is neither is
            left out of training and judging. None: all that is not liked is disliked.
    """

    threshold: Threshold = "> 3"
    negative: Negative | None = None


class VocabularyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ids get a row of their own.

    Attributes:
        min_item_ratings: Items with fewer ratings share the unknown item's row, which
            so learns what a new item deserves.
        leave_out: Side features that no model reads.
    """

    min_item_ratings: Count = 2
    leave_out: list[Text] = []


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How every model is trained; a model's own settings stand under ``models``.

    Attributes:
        seed: Of weights, shuffling and drawn negatives.
        require_gpu: Fail, and say so, when TensorFlow sees no GPU.
        mixed_precision: Compute in 16 bits where the GPU is faster so; weights stay
            float32.
        warm_start: Start from the live model where it is of the same kind; for models
            that learn by gradient descent.
    """

    seed: Seed = 0
    require_gpu: bool = False
    mixed_precision: bool = False
    warm_start: bool = False


class EvaluationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far evaluation goes.

    Attributes:
        max_scored_pairs: Users x items scored at most for one model; beyond, a seeded
            sample of users is judged, and the report says so.
        num_sampled_negatives: Beside each target in the ``sampled_`` metrics; published
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
        max_loss: Absolute loss in ``metric`` against the live model; a model that
            surely loses more is refused.
        min_gain_over_popularity: Absolute gain in ``metric`` over popularity required.
        min_users: Users with a target by which ``metric`` is measured; with fewer in
            the test split, no model goes live.
        slices: What users are divided by: ``activity``, or a side feature.
        min_slice_users: Users with a target; smaller slices are reported but never
            refuse a model.
        confidence: Confidence level of the intervals; 1 minus it is the accepted chance
            of a false promotion while one version is live.
        min_score_std: Standard deviation of all scores; below it, a model scores
            everybody alike.
        min_calibration: Predicted over observed likes, at least, for models whose
            scores are probabilities.
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
        infra_check: Where the champion is queried before a push: in a ``process`` of
            its own, or in TensorFlow Serving on Docker or Kubernetes, which enforces
            only ``check_seconds``.
        check_seconds: For loading it and all questions of the check before a push.
        max_memory_mb: Resident, TensorFlow's own included.
        max_latency_ms: Median of one answer, 1,000 candidates or a whole list.
        max_size_mb: Of its files.
        keep_versions: Of those that were live; the one before the live one stays
            always.
    """

    infra_check: Literal[
        "process", "experimental-docker", "experimental-kubernetes"
    ] = "process"
    check_seconds: Size = 120.0
    max_memory_mb: Size = 4000.0
    max_latency_ms: Size = 250.0
    max_size_mb: Size = 2000.0
    keep_versions: Count = 5


class SchemaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the data must look like.

    Attributes:
        path: A schema of one's own (``marquee schema propose`` writes one); None: the
            curated ``schema/ratings.pbtxt``.
        spans: A schema with drift comparators; None: ``schema/spans.pbtxt``.
    """

    path: Text | None = None
    spans: Text | None = None


class RetrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``marquee retrain`` takes in, beside ``data``.

    Attributes:
        window: ``all``, ``N spans`` (the newest that are whole) or ``N days`` (up to
            the newest; of dated spans).
        drift: What follows where the newest span is past a threshold of
            ``schema.spans`` against the one that the live model learned from: ``stop``
            for a person, or ``warn`` and go on.
        min_drift_ratings: A span of fewer ratings is not compared.
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
        endpoint: Of Beam's job server in front of flink or spark.
        workers: Of flink and spark: ``loopback``, threads of this process; or the
            address of a worker pool, as each TaskManager finds its own
            (``pipeline/beam/worker_pool.py``).
        image: A container with this code, for workers; in place of ``workers``.
            Dataflow requires one (docs/adr/0024).
        parallelism: Workers of flink; of dataflow the most there may be.
        project: Of dataflow.
        region: Of dataflow.
        temp_location: Of dataflow, a folder in Cloud Storage.
        args: Flags of Beam as they are, after those that follow from the above; no
            secrets (``pipeline/config/secrets.py``).
    """

    runner: Literal[
        "direct", "flink", "experimental-spark", "experimental-dataflow"
    ] = "direct"
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
        data: Which ratings.
        split: Which of them judge.
        label: When a rating counts as liked.
        vocabulary: Which ids get a row.
        models: Model → settings that differ from its defaults; trained in this order,
            popularity always.
        train: How.
        evaluation: How far.
        gate: The bar.
        serving: What a live model may take.
        schema: What the data must look like.
        retrain: What ``marquee retrain`` takes in.
        beam: Where the steps over all ratings run.
        out: Folder of the metadata store, artifacts, live models and runs.
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
