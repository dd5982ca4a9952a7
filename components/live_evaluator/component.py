"""LiveEvaluator: TFX's Evaluator for a live model that may be impossible to judge."""

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.live_evaluator.executor import Executor


class LiveEvaluator(tfx.components.Evaluator):
    """Judges the live model as Evaluators judge candidates; see ``Executor``."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
