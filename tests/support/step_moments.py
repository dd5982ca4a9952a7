"""Moments within a run at which a test kills or stops it."""

from collections.abc import Callable
from pathlib import Path

STEPS = {  # step → the most seconds that it takes, for the moment of the kill
    "RatingsExampleGen": 1.0,
    "CatalogueGen": 0.5,
    "StatisticsGen": 2.0,
    "ImportSchemaGen": 0.1,
    "ExampleValidator": 0.3,
    "AnomalyGate": 0.1,
    "Transform": 4.0,
    "Trainer_popularity": 3.0,
    "Trainer_gmf": 6.0,
    "Evaluator_popularity": 3.0,
    "Evaluator_gmf": 3.0,
    "LiveEvaluator": 1.0,
    "Champion": 0.5,
    "InfraCheck": 4.0,
    "Pusher": 0.2,
}
Started = Callable[[], object]


def moments(
    out: Path, output: Callable[[], str]
) -> dict[str, tuple[Callable[[], Started], float]]:
    """Returns the moments by name: steps, and some events within or after them.

    Args:
        out: The output folder of the run.
        output: Returns what the run has printed so far.

    Returns:
        Name → (a function, seconds). Called before the run reaches the moment, the
        function returns one that is true from the moment on, which lasts so many
        seconds.
    """
    log = Path(f"{out}/metadata.sqlite-wal")

    def size():
        try:
            return log.stat().st_size
        except FileNotFoundError:  # SQLite removes it when the last connection closes
            return 0

    def metadata_written():
        before = size()
        return lambda: size() not in (0, before)

    def export_begun():
        before = set(out.glob("artifacts/Trainer_*/model/*/Format-Serving"))
        return lambda: (
            set(out.glob("artifacts/Trainer_*/model/*/Format-Serving")) - before
        )

    def push_begun():
        return lambda: list(out.glob("live/.unfinished-*"))

    def pushed():
        before = set(out.glob("live/[0-9]*"))
        return lambda: set(out.glob("live/[0-9]*")) - before

    def step_started(name):
        return lambda: (
            lambda: any(
                line.split() == [name, "started"] for line in output().splitlines()
            )
        )

    def report_begun():
        return lambda: "writing the report" in output()

    return {
        **{name: (step_started(name), seconds) for name, seconds in STEPS.items()},
        "metadata": (metadata_written, 0.0),
        "export": (export_begun, 0.3),
        "push": (push_begun, 0.05),
        "pushed": (pushed, 0.02),
        "report": (report_begun, 1.0),
    }
