"""The time of a run whose steps run side by side."""

from collections.abc import Mapping


def makespan(
    seconds: Mapping[str, float], before: Mapping[str, set[str]], jobs: int
) -> float:
    """Returns the seconds of a run whose steps start as the local runner starts them.

    Args:
        seconds: Duration of each step, in topological order.
        before: The steps that each step waits for.
        jobs: Number of steps that run at once.
    """
    now, ends, running = 0.0, set[str](), dict[str, float]()
    waiting = list(seconds)
    while waiting or running:
        for name in [name for name in waiting if before[name] <= ends]:
            if len(running) < jobs:
                running[name] = now + seconds[name]
                waiting.remove(name)
        now = min(running.values())
        ended = {name for name, end in running.items() if end <= now}
        ends |= ended
        running = {name: end for name, end in running.items() if name not in ended}
    return now
