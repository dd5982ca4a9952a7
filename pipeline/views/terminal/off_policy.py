"""Prints off-policy estimates."""

from collections.abc import Iterator

from components.wording import counted
from pipeline.off_policy.estimators import Estimate
from pipeline.off_policy.result import Judged, OffPolicy


def lines(found: OffPolicy) -> Iterator[str]:
    """Yields the lines of the result; estimates are in events per place."""
    overlap = found.candidate.overlap
    yield (
        f"{counted(overlap.places, 'place')} of {counted(found.lists, 'list')} of "
        f"{counted(overlap.users, 'user')} were drawn at random."
    )
    for reason, number in found.skipped.items():
        yield f"{counted(number, 'list')} not used: {reason}."
    yield ""
    yield "Events per place, with 95 % intervals whose unit is the user:"
    yield f"  as the places were drawn  {_text(found.drawn)}"
    makers = ", ".join(map(str, found.logged_by))
    yield from _of(f"version {makers} without drawing", found.logged)
    yield from _of(f"version {found.version} ({found.model})", found.candidate)
    if found.difference:
        yield f"  difference (DR)           {_text(found.difference)}"


def _of(name: str, judged: Judged) -> Iterator[str]:
    if judged.problem:
        yield f"  {name}: no estimate, because {judged.problem}."
        return
    overlap = judged.overlap
    yield (
        f"  {name}: effective sample size {overlap.effective:,.0f} of "
        f"{counted(overlap.matching_users, 'user')}, {overlap.uncovered:.0%} of its "
        "items could not be drawn"
    )
    for kind, estimate in (
        ("IPS", judged.ips),
        ("SNIPS", judged.snips),
        ("DR", judged.dr),
    ):
        if estimate:
            yield f"    {kind:<24}{_text(estimate)}"


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.lower:.4f} to {estimate.upper:.4f})"
