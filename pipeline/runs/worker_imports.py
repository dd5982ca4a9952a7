"""What the process imports from which workers are forked: once for all of them.

It takes a process with TFX and everything that steps use, and without a thread of
TensorFlow: those start with its first operation. The threads that exist by then are
OpenBLAS's and jemalloc's, which handle a fork themselves.
"""

import signal

from pipeline import tfx_imports
from trainer_modules import parent_process

# With Marquee's own process, even while this one is still importing.
parent_process.end_with_parent(signal.SIGKILL)

with tfx_imports.quick():
    import pipeline.pipeline  # noqa: F401 - the components
    import pipeline.runs.local_runner  # noqa: F401 - TFX's operators
    import trainer_modules.run_fn  # noqa: F401 - Keras and the models' modules
