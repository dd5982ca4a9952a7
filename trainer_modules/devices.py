"""The devices that a model is trained on."""

import contextlib
import re
from collections.abc import Callable, Iterator

import tensorflow as tf


def strategy(require_gpu: bool) -> tf.distribute.Strategy:
    """Returns a strategy for all GPUs that TensorFlow sees, or else for the CPU.

    Raises:
        RuntimeError: If a GPU is required and TensorFlow sees none.
    """
    _check_gpus(require_gpu)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def strategy_of_workers(require_gpu: bool) -> tf.distribute.Strategy:
    """Returns a strategy for the processes that ``TF_CONFIG`` names, this one included.

    It must be called before TensorFlow's first operation.

    Raises:
        RuntimeError: If a GPU is required and TensorFlow sees none, or if it sees more
            than one.
    """
    if (count := _check_gpus(require_gpu)) > 1:
        raise RuntimeError(
            f"a worker trains on one GPU, and this one sees {count}: give each worker "
            "one, or remove train.workers to train on all of them by one process"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _check_gpus(is_required: bool) -> int:
    """Returns the number of GPUs, whose memory is taken as it is needed.

    Raises:
        RuntimeError: If one is required and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if is_required and not gpus:
        raise RuntimeError(
            "train.require_gpu is set, and TensorFlow sees no GPU: check the driver "
            "and the CUDA libraries (`marquee doctor`), or unset it"
        )
    for gpu in gpus:
        # Devices that are initialised already keep the setting of their first use.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return len(gpus)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this is the only worker, or the one that decides and writes."""
    resolver = strategy.cluster_resolver
    return resolver is None or resolver.task_type in (None, "chief")


def place(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Returns the number of this worker, from 0 for the chief, and how many there are.

    Raises:
        ValueError: If one process trains on several devices.
    """
    count = strategy.num_replicas_in_sync
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        resolver = strategy.cluster_resolver
        return (0 if is_chief(strategy) else resolver.task_id + 1), count
    if count > 1:
        raise ValueError(
            "train.shard_tables_from divides tables among workers, and one process "
            f"sees {count} devices: set train.workers, and give each worker one GPU"
        )
    return 0, 1


def of_chief(
    strategy: tf.distribute.Strategy,
    measure: Callable[[], float],
    by_all: bool = False,
) -> float:
    """Returns, on all workers, the figure that the chief measures.

    Args:
        strategy: The workers, which must all call this.
        measure: Returns the figure.
        by_all: Whether all workers call it, because it needs them, and not only the
            chief.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return measure()
    found = measure() if by_all or is_chief(strategy) else 0.0
    values = strategy.experimental_distribute_values_from_function(
        lambda replica: tf.constant(
            0.0 if replica.replica_id_in_sync_group else found, tf.float64
        )
    )
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))


def shared_size(batch_size: int) -> int:
    """Returns the largest size up to B of which each device in scope has a row.

    TensorFlow gives each device but the last ones ceil(B / devices) rows. Workers take
    equal parts (``share``), and the Trainer that restores what they have trained needs
    batches of the same size, alone.

    Args:
        batch_size: B; returned as it is if there are more devices, or for workers.
    """
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    are_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    before_last = -(-batch_size // replicas) * (replicas - 1)
    if are_workers or before_last < batch_size:
        return batch_size
    return batch_size // replicas * replicas or batch_size


def share(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset, batch_size: int
) -> tf.data.Dataset:
    """Returns the part of each batch that this worker trains on.

    Each worker makes the whole batches, which are the same for any number of workers.

    Args:
        strategy: The workers and their devices.
        batches: Batches, whose values have a row for each of ``batch_size`` samples.
        batch_size: B, number of rows of a batch.

    Raises:
        ValueError: If a worker or a device would have no row.
    """
    has_workers = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    replicas = strategy.num_replicas_in_sync
    if batch_size < replicas:
        raise ValueError(
            f"a batch has {batch_size} rows, too few for {replicas} "
            + (
                "workers: with so little data, remove train.workers"
                if has_workers
                else "devices: with so little data, show TensorFlow fewer of them "
                "(CUDA_VISIBLE_DEVICES)"
            )
        )
    if not has_workers:
        return batches

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        worker, count = context.input_pipeline_id, context.num_input_pipelines
        begin, end = (batch_size * n // count for n in (worker, worker + 1))
        return batches.map(
            lambda batch: {name: column[begin:end] for name, column in batch.items()}
        )

    return strategy.distribute_datasets_from_function(of_worker)


@contextlib.contextmanager
def explaining_full_memory() -> Iterator[None]:
    """Replaces Keras's pages of traceback about full memory by one sentence.

    Raises:
        MemoryError: If TensorFlow could not allocate a tensor.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        tensor = re.search(
            r"OOM when allocating (tensor with shape\[.*?\])", str(error)
        )
        if not tensor:  # TensorFlow raises the same error for a full disk
            raise
        raise MemoryError(
            f"no memory for a {tensor[1]}. Give the model smaller layers "
            "(embedding_dim, hidden_units), a smaller batch_size, or the machine more "
            "memory."
        ) from error
