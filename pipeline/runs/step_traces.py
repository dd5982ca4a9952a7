"""Spans of a run: the run itself, and one for each step.

Messages of errors are not recorded: they may contain IDs of users.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from pipeline import tracing
from pipeline.runs.step_result import StepResult

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from pipeline.runs.execute import Observer
    from pipeline.runs.record import RunRecord


@contextlib.contextmanager
def traced(
    run_id: str, observer: "Observer"
) -> "Iterator[tuple[Observer, Callable[[RunRecord], None]]]":
    """Makes a span for a run, if traces are switched on.

    Args:
        run_id: ID of the run.
        observer: Is notified of the progress.

    Yields:
        What is to be notified instead, and what is to be called with the record.
    """
    with tracing.begun("marquee-run") as tracer:
        if tracer is None:
            yield observer, lambda _: None
            return
        from opentelemetry import trace

        span = tracer.start_span("run", attributes={"marquee.run_id": run_id})

        def finish(record: "RunRecord") -> None:
            span.set_attribute("marquee.status", str(record.run.status))
            has_failed = any(step.state == "failed" for step in record.steps)
            code = trace.StatusCode
            span.set_status(code.ERROR if has_failed else code.OK)

        # Steps end in other threads, which do not have the context of this one.
        steps = _TracedSteps(observer, tracer, trace.set_span_in_context(span))
        try:
            yield cast("Observer", steps), finish
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()


class _TracedSteps:
    """Passes everything on to an observer, and makes a span for each step."""

    def __init__(self, observer: "Observer", tracer: "Tracer", run: "Context"):
        self._observer, self._tracer, self._run = observer, tracer, run
        self._started: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)

    def started(self, name: str) -> None:
        """Receives the name of a step that starts."""
        self._started[name] = time.time_ns()
        self._observer.started(name)

    def ended(self, result: StepResult) -> None:
        """Receives the result of a step that ended or was skipped."""
        from opentelemetry.trace import StatusCode

        now = time.time_ns()
        span = self._tracer.start_span(
            result.name,
            self._run,
            start_time=self._started.get(result.name, now),
            attributes={
                "marquee.step.state": result.state,
                "marquee.step.cached": result.state == "cached",
            },
        )
        if result.error is not None:
            span.set_attribute("error.type", type(result.error).__name__)
            span.set_status(StatusCode.ERROR)
        span.end(now)
        self._observer.ended(result)
