"""All that is taken from TensorFlow Addons, which has reached its end of life.

Replacing it is an edit of this file (docs/adr/0007).
"""

import warnings

with warnings.catch_warnings():
    # It says at import that it is no longer developed; the ADR says what we make of it.
    warnings.simplefilter("ignore", UserWarning)
    from tensorflow_addons.activations import mish
    from tensorflow_addons.optimizers import LazyAdam

__all__ = ["LazyAdam", "mish"]
