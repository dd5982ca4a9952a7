"""Prints off-policy estimates."""

from collections.abc import Iterator

from components.wording import counted
from pipeline.off_policy.estimators import Estimate
from pipeline.off_policy.result import Judged, JudgedRun, OffPolicy
from pipeline.views.formatting import inert


def lines(found: OffPolicy) -> Iterator[str]:
    """Yields the lines of the result; estimates are in events per place."""
    yield from _lists(found)
    yield from _of(f"version {found.version} ({found.model})", found.candidate)
    yield from _difference(found)


def lines_of_run(found: JudgedRun) -> Iterator[str]:
    """Yields the lines of a run: each candidate's metric and estimates."""
    # The lists are the same for all of them.
    if estimated := [each.estimates for each in found.candidates if each.estimates]:
        yield from _lists(estimated[0])
    for each in found.candidates:
        yield ""
        measured = "not measured" if each.measured is None else f"{each.measured:.4f}"
        if each.interval and None not in each.interval:
            measured += " ({:.4f} to {:.4f})".format(*each.interval)
        yield f"{each.model}: {each.verdict}, {found.metric} {measured}"
        if each.estimates:
            yield from _of("events per place", each.estimates.candidate)
            yield from _difference(each.estimates)
        else:
            yield f"  no estimate: {each.problem}"


def _lists(found: OffPolicy) -> Iterator[str]:
    """Yields what the estimates are made from, and what the shown lists earned."""
    overlap = found.candidate.overlap
    yield (
        f"{counted(overlap.places, 'place')} of {counted(found.lists, 'list')} of "
        f"{counted(overlap.users, 'user')} were drawn at random."
    )
    for reason, number in found.skipped.items():
        yield f"{counted(number, 'list')} not used: {reason}."
    yield from map(inert, found.damaged)
    yield ""
    yield "Events per place, with 95 % intervals whose unit is the user:"
    yield f"  as the places were drawn  {_text(found.drawn)}"
    makers = ", ".join(map(str, found.logged_by))
    yield from _of(f"version {makers} without drawing", found.logged)


def _difference(found: OffPolicy) -> Iterator[str]:
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
