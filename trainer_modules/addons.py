"""Everything that we use of TensorFlow Addons, which has reached its end of life.

Replacing it means editing only this file (docs/adr/0007).
"""

import warnings

with warnings.catch_warnings():
    # Importing it warns that it is no longer developed; the ADR explains what we do.
    warnings.simplefilter("ignore", UserWarning)
    from tensorflow_addons.activations import mish
    from tensorflow_addons.optimizers import LazyAdam

__all__ = ["LazyAdam", "mish"]
