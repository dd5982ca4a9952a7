"""The devices that a model is trained on."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf


def strategy(require_gpu: bool) -> tf.distribute.Strategy:
    """Returns a strategy for all GPUs that TensorFlow sees, or else for the CPU.

    Raises:
        RuntimeError: If a GPU is required and TensorFlow sees none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if require_gpu and not gpus:
        raise RuntimeError(
            "train.require_gpu is set, and TensorFlow sees no GPU: check the driver "
            "and the CUDA libraries (`marquee doctor`), or unset it"
        )
    for gpu in gpus:
        # Devices that are initialised already keep the setting of their first use.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


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
