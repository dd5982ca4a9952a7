"""Time and memory of the steps over all ratings, on generated ratings."""

import shutil
from pathlib import Path

from benchmarks.figures import GIGABYTE, Figure
from benchmarks.processes import marquee
from benchmarks.ratings import write_generated
from components.wording import counted

DATA_STEPS = (
    "RatingsExampleGen",
    "CatalogueGen",
    "StatisticsGen",
    "ImportSchemaGen",
    "ExampleValidator",
    "AnomalyGate",
    "Transform",
)
OVER_ALL_RATINGS = (
    "RatingsExampleGen",
    "StatisticsGen",
    "Transform",
    "Evaluator_popularity",
)


def memory(data: str, folder: Path) -> list[Figure]:
    """Measures peak memory of a run and of ten million ratings, and time per rating."""
    whole = marquee(folder / "whole", data, None)
    figures = [
        Figure(
            f"peak of marquee run --data {data}",
            whole.peak_bytes / GIGABYTE,
            "GB",
            at_most=3,
        ),
        Figure("that run, all steps", whole.record.run.seconds, "s"),
    ]
    per_rating = {}
    for million in (1, 10):
        source = folder / f"ml-generated-{million}m"
        write_generated(source, million * 1_000_000, million * 7_000)
        run = marquee(folder / f"out-{million}m", str(source), "popularity")
        steps = run.seconds(DATA_STEPS)
        per_rating[million] = sum(steps.values()) / million
        figures.append(
            Figure(
                f"peak at {million} M ratings, with popularity",
                run.peak_bytes / GIGABYTE,
                "GB",
                at_most=5 if million == 10 else None,
            )
        )
    return [
        *figures,
        Figure("ExampleGen to Transform, 1 M ratings", per_rating[1], "µs a rating"),
        Figure(
            "ExampleGen to Transform, 10 M ratings",
            per_rating[10],
            "µs a rating",
            at_most=per_rating[1],
        ),
    ]


def cores(data: str, folder: Path) -> list[Figure]:
    """Measures the data steps on 10 and 25 million ratings, in one and two processes.

    An Evaluator of popularity is one of them.
    """
    del data  # generated
    figures, seconds = [], {}
    for million, processes in ((10, 1), (10, 2), (25, 2)):
        source = folder / f"ml-generated-{million}m"
        if not source.exists():
            write_generated(source, million * 1_000_000, million * 7_000)
        out = folder / f"out-{million}m-{processes}"
        run = marquee(out, str(source), "popularity", f"beam.processes={processes}")
        steps = run.seconds([*DATA_STEPS, "Evaluator_popularity"])
        label = f"{million} M ratings, {counted(processes, 'process')}"
        seconds[million, processes] = sum(steps.values()) / million
        figures += [
            Figure(f"{label}: {name}", steps[name], "s") for name in OVER_ALL_RATINGS
        ]
        figures += [
            Figure(f"{label}: data steps", seconds[million, processes], "µs a rating"),
            Figure(f"{label}: peak", run.peak_bytes / GIGABYTE, "GB", at_most=5),
        ]
        shutil.rmtree(out)  # gigabytes
    return [
        *figures,
        Figure("speed-up at 10 M ratings", seconds[10, 1] / seconds[10, 2], "×"),
        Figure(
            "time per rating, 25 M / 10 M",
            seconds[25, 2] / seconds[10, 2],
            "×",
            at_most=1,
        ),
    ]
