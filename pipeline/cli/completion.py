"""Shell completion of names, looked up while the user types.

So nothing here may import TensorFlow or raise: unreadable folders have no completions.
"""

from pathlib import Path

import click

from pipeline import DEFAULT_OUT


def _out(ctx: click.Context) -> Path:
    return Path(ctx.params.get("out") or DEFAULT_OUT)


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Completes the last name in the list of ``--models``."""
    from trainer_modules.registry import MODELS

    before, comma, started = incomplete.rpartition(",")
    named = before.split(",")
    names = [*MODELS, *([] if comma else ["all"])]
    return [
        f"{before}{comma}{name}"
        for name in names
        if name.startswith(started) and name not in named
    ]


def settings(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Completes the keys of ``--set``, with an equals sign."""
    from pipeline.config.describe import known_keys

    keys = list(known_keys())
    sections = {key.rpartition(".")[0] for key in keys}
    return [
        f"{key}=" for key in keys if key.startswith(incomplete) and key not in sections
    ]


def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Completes the IDs of finished runs, newest first."""
    found = _out(ctx).glob("runs/*/run.json")
    ids = sorted((path.parent.name for path in found), reverse=True)
    return [run_id for run_id in ids if run_id.startswith(incomplete)]


def versions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Completes the versions that a rollback may restore, newest first."""
    found = _out(ctx).glob("live/[1-9]*")
    numbers = sorted((int(p.name) for p in found if p.name.isdecimal()), reverse=True)
    return [str(n) for n in numbers[1:] if str(n).startswith(incomplete)]
