"""Every setting of the pipeline: type, bounds, default and description.

Each is declared once. A field's type states which values are valid, and its entry under
``Attributes`` what it means; validation, error messages, ``configs/default.yaml``
(``make defaults``) and the reference page follow from these. The settings of the models
are declared in ``trainer_modules/configs`` in the same way, those of the gate in
``components/champion/gate.py``, and those of the data and of lists in
``data_section.py``, ``events_section.py``, ``context_section.py``,
``lists_section.py``, ``delivery_section.py``, ``online_section.py`` and
``mlflow_section.py``.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from components.champion.gate import Gate
from components.ratings_example_gen.settings import SplitKind
from pipeline import DEFAULT_OUT
from pipeline.config.context_section import ContextConfig
from pipeline.config.data_section import DataConfig
from pipeline.config.delivery_section import DeliveryConfig
from pipeline.config.events_section import EventsConfig
from pipeline.config.lists_section import ListsConfig
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.config.online_section import OnlineConfig
from pipeline.config.types import (
    Address,
    Database,
    Duration,
    Flag,
    Negative,
    Size,
    Text,
    Threshold,
    Window,
    Workers,
)
from trainer_modules.configs.types import (
    Count,
    Fraction,
    Positive,
    Seed,
    ShareBelow1,
)
from trainer_modules.registry import POPULARITY


class SplitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ratings train a model, and which evaluate it.

    Attributes:
        kind: ``leave_last_out`` (each user's last rating is for the test, the one
            before it for the eval split), ``temporal`` (two cuts in time for all users,
            as in production) or ``random`` (only to reproduce published tables).
        eval_fraction: Share of all ratings in the eval split; ignored by
            ``leave_last_out``.
        test_fraction: Share of all ratings in the test split, with ``temporal`` the
            newest ones; ignored by ``leave_last_out``.
        seed: Random seed of the ``random`` split and of ``held_out_items``.
        held_out_items: Share of the items, chosen by a hash of their IDs, all of whose
            ratings are in the test split, to measure how new items are recommended
            (docs/own-data.md).
    """

    kind: SplitKind = "leave_last_out"
    eval_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.1
    seed: Seed = 0
    held_out_items: ShareBelow1 = 0.0


class LabelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a rating counts as liked.

    Attributes:
        threshold: Which ratings are liked: "all", "> x" or ">= x", in quotes because
            YAML gives > another meaning.
        negative: Which ratings are disliked: "< x" or "<= x"; those that are neither
            liked nor disliked are left out of training and evaluation. If null, every
            rating that is not liked is disliked.
    """

    threshold: Threshold = "> 3"
    negative: Negative | None = None


# The labels of events, whose weights are the ratings: 0 is neither.
LABEL_OF_EVENTS = LabelConfig(threshold="> 0", negative="< 0")


class VocabularyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which IDs get parameters of their own.

    Attributes:
        min_item_ratings: Items with fewer ratings share one row of parameters, which
            also scores new items.
        leave_out: Side features that no model reads, as in [user_zip, item_year].
    """

    min_item_ratings: Count = 2
    leave_out: list[Text] = []


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How every model is trained; each model's own settings are under ``models``.

    Attributes:
        seed: Random seed of weights, shuffling and sampled negatives.
        require_gpu: Whether the run fails if TensorFlow sees no GPU, instead of
            training slowly.
        mixed_precision: Whether to compute in 16 bits where the GPU is faster that way;
            weights stay float32.
        warm_start: Whether training starts from the live model if that is of the same
            kind, with rows carried over by ID. The result is as good after fewer
            epochs. If it cannot, training starts from scratch, and the run reports why.
        checkpoint_every: How often a training is saved while it runs, such as 5m; null
            to save none. If it is killed, the next run goes on from there, with the
            same result (docs/operations.md).
        workers: Number of processes that train each model together; closed forms are
            solved by one. The metrics are the same but for rounding, and for the random
            numbers of dropout (docs/operations.md).
        worker_timeout: How long the workers may take for a step, such as 10m, or for
            reading the data; the run then fails instead of waiting.
        shard_tables_from: From how many rows on an embedding table is divided among the
            workers, each of which holds and learns its part, by a row-wise Adam; null
            for never (docs/operations.md).
    """

    seed: Seed = 0
    require_gpu: bool = False
    mixed_precision: bool = False
    warm_start: bool = False
    checkpoint_every: Duration | None = "5m"
    workers: Count = 1
    worker_timeout: Duration = "10m"
    shard_tables_from: Count | None = None


class EvaluationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is evaluated.

    Attributes:
        max_scored_pairs: Maximum number of user-item pairs scored per model. If there
            are more, a seeded sample of the users is evaluated, and reported as such.
            With ``context.fields``, each is scored once in each context of its user.
        num_sampled_negatives: Number of items sampled for each target in the
            ``sampled_`` metrics; published figures use 99 or 100.
    """

    max_scored_pairs: Count = 200_000_000
    num_sampled_negatives: Count = 99


class ServingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits that a model must meet before it goes live.

    Attributes:
        infra_check: Where the chosen model is tried before a push: in a ``process`` of
            its own, or in TensorFlow Serving on ``experimental-docker`` or
            ``experimental-kubernetes``, which enforces only ``check_seconds``.
            Experimental values have never been executed (docs/adr/0027).
        check_seconds: Time limit of the whole check, loading included.
        max_memory_mb: Resident memory of the serving process, TensorFlow included.
        max_latency_ms: Median latency of an answer, either 1,000 scored candidates or a
            whole list.
        max_size_mb: Total size of the model's files.
        keep_versions: Number of versions kept in the live folder; the one before the
            live version is always kept.
    """

    infra_check: Literal[
        "process", "experimental-docker", "experimental-kubernetes"
    ] = "process"
    check_seconds: Positive = 120.0
    max_memory_mb: Positive = 4000.0
    max_latency_ms: Positive = 250.0
    max_size_mb: Positive = 2000.0
    keep_versions: Count = 5


class SchemaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the data must look like.

    Attributes:
        path: Schema file, such as ``marquee schema propose`` writes; null uses
            schema/ratings.pbtxt.
        spans: Schema file with the drift thresholds of ``marquee retrain``; null uses
            schema/spans.pbtxt.
        served: Schema file with the thresholds for features in served lists; null uses
            schema/served.pbtxt.
    """

    path: Text | None = None
    spans: Text | None = None
    served: Text | None = None


class RetrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``marquee retrain`` reads; it splits by time unless ``split.kind`` is set.

    Attributes:
        window: Which spans to train on: ``all``, "N spans" (the newest complete ones)
            or "N days" (up to the newest).
        drift: What happens if the newest span exceeds a threshold of ``schema.spans``
            against the span that the live model learned from: ``stop``, and hold the
            span back from later retrainings until ``--accept``, or ``warn`` and
            continue.
        min_drift_ratings: Spans of fewer ratings are not compared: small samples always
            look drifted. Only the growth of a span is, if the newest has as many.
        served_skew: What ``marquee retrain`` does if features in the logged lists of
            the live version exceed a threshold of ``schema.served`` (``marquee skew``):
            ``stop`` and wait for a person, ``warn`` and continue, or "off".
        served_period: Length of the periods that are compared.
        min_served_users: Periods with lists of fewer users are not compared.
        max_hours: Time limit of a retraining that ``marquee schedule`` started, in
            hours; one that hangs is stopped, so that the next can run.
        tune_every: Tune the models with ``tuned: auto`` before every N-th retraining
            trains them, on the same spans (docs/tuning.md); null is never.
        tune_below: Tune them as well if the margin of the live model over popularity,
            in ``gate.metric``, was below this share of the margin after the last
            tuning; null is never.
    """

    window: Window = "all"
    drift: Literal["stop", "warn"] = "stop"
    min_drift_ratings: Count = 1000
    served_skew: Literal["stop", "warn", "off"] = "warn"
    served_period: Literal["hour", "day"] = "day"
    min_served_users: Count = 200
    max_hours: Annotated[float, Meta(gt=0, le=8760)] = 12.0
    tune_every: Count | None = None
    tune_below: Annotated[float, Meta(gt=0, le=1)] | None = None


class TunerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long ``marquee tune`` tries settings of each model.

    Attributes:
        trials: Number of trials of a model, those of an interrupted study included.
            Null is 20, or with a ``budget`` as many as it allows.
        budget: Time for the trials of a model, as in "30m"; null is as long as the
            trials take.
        space: File with other values to try (docs/tuning.md); null is those that are
            declared with the settings.
        workers: Number of steps that share the trials of a model, if ``run.jobs``
            allows them to run at once.
        storage: Database of the studies: mysql://host:port/database, also of MariaDB,
            or postgresql://host:port/database. MARQUEE_STUDIES_USER and
            MARQUEE_STUDIES_PASSWORD in the environment are its account. Null is files
            beside the runs.
    """

    trials: Count | None = None
    budget: Duration | None = None
    space: Text | None = None
    workers: Count = 1
    storage: Database | None = None


class BeamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the steps over all ratings run: reading, statistics, Transform, metrics.

    Attributes:
        runner: ``direct`` is this process; ``flink`` and ``experimental-spark`` are
            clusters behind Beam's job server; ``experimental-dataflow`` is Google
            Cloud's service. Experimental values have never been executed
            (docs/adr/0027).
        endpoint: Address of the job server of Flink or Spark.
        workers: Workers of Flink and Spark: ``loopback`` (threads of this
            process), or host:port of the worker pool next to each TaskManager
            (python -m pipeline.beam.worker_pool).
        image: Container image with this code, for workers; it takes precedence over
            ``workers``. Required by Dataflow.
        parallelism: Number of workers of Flink, or the maximum for Dataflow.
        project: Google Cloud project of Dataflow.
        region: Google Cloud region of Dataflow, such as europe-west4.
        temp_location: Folder in Cloud Storage for Dataflow, such as
            gs://bucket/temp.
        processes: Number of processes of such a step on this machine, with ``direct``;
            null is one for small data, and otherwise as many as there are cores, if
            they fit in the memory (docs/beam.md). The results are the same.
        args: Further Beam flags, as in ["--job_name=nightly"]; they override those that
            follow from the settings above. Secrets are rejected: leave them to the
            environment, such as AWS_SECRET_ACCESS_KEY.
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
    processes: Count | None = None
    args: list[Flag] = []


class RunConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many steps run at once on this machine; a cluster decides by itself.

    Attributes:
        jobs: Maximum number of steps that run at once, each in a process of its own if
            there may be several; null is as many as the machine has cores. The results
            are the same.
        max_memory: Memory that a run may use, as in "8GB": of ``jobs``, no more run at
            once than fit by an estimate (docs/operations.md). Null is 80 % of the
            machine's memory, or of the control group's limit.
    """

    jobs: Count | None = None
    max_memory: Size | None = None


def _default_models() -> dict[str, dict[str, Any]]:
    return {POPULARITY: {}, "mf_als": {}, "attrec": {}}


class PipelineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a run; each section is described by its own class.

    Attributes:
        models: Models to train, in this order, with the settings that differ from the
            model's defaults, as in ``neumf: {embedding_dim: 16}``; ``marquee models``
            lists both. Your own ``models`` replace these; popularity is always trained,
            since every model must beat it.
        out: Folder of the metadata store, artifacts, live models and runs.
    """

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    label: LabelConfig = LabelConfig()
    events: EventsConfig = EventsConfig()
    context: ContextConfig = ContextConfig()
    lists: ListsConfig = ListsConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    models: dict[str, dict[str, Any]] = msgspec.field(default_factory=_default_models)
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: Gate = Gate()
    serving: ServingConfig = ServingConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    schema: SchemaConfig = SchemaConfig()
    retrain: RetrainConfig = RetrainConfig()
    online: OnlineConfig = OnlineConfig()
    tuner: TunerConfig = TunerConfig()
    beam: BeamConfig = BeamConfig()
    run: RunConfig = RunConfig()
    mlflow: MlflowConfig = MlflowConfig()
    out: Text = DEFAULT_OUT


def context_timezone(config: PipelineConfig) -> str:
    """Returns the time zone of the hours and weekdays that models read."""
    return config.context.timezone or config.data.timezone or "UTC"


def is_tuned(config: PipelineConfig, model: str) -> bool:
    """Returns whether a model takes the settings that `marquee tune` found."""
    return config.models[model].get("tuned") == "auto"


def untuned(config: PipelineConfig) -> PipelineConfig:
    """Returns the configuration in which no model does: a study begins with it."""
    models = {
        name: {key: value for key, value in own.items() if key != "tuned"}
        for name, own in config.models.items()
    }
    return msgspec.structs.replace(config, models=models)


def only_tuned(config: PipelineConfig) -> PipelineConfig:
    """Returns the configuration with those models alone that take settings found."""
    models = {
        name: own for name, own in config.models.items() if is_tuned(config, name)
    }
    return msgspec.structs.replace(config, models=models)
