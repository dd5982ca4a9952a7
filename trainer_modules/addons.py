"""Everything that we use of TensorFlow Addons, which has reached its end of life.

Replacing it means editing only this file (docs/adr/0007).
"""

import warnings
from collections.abc import Sequence

import tensorflow as tf

with warnings.catch_warnings():
    # Importing it warns that it is no longer developed; the ADR explains what we do.
    warnings.simplefilter("ignore", UserWarning)
    from tensorflow_addons import optimizers
    from tensorflow_addons.activations import mish

__all__ = ["LazyAdam", "mish"]


class LazyAdam(optimizers.LazyAdam):
    """LazyAdam, which is one of Keras' legacy optimizers, as one of the present ones.

    It is Adam that updates only the rows of a table that a batch reads, and only their
    moments.
    """

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Creates the moments of variables."""
        self._create_all_weights(variables)
