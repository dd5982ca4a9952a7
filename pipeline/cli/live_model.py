"""Commands for the live model: lists, versions and rollback."""

import dataclasses
from pathlib import Path

import click

from pipeline.cli import completion
from pipeline.cli.command import (
    VERBOSE,
    json_option,
    main,
    out_option,
    print_json,
    runs_option,
    verbose_option,
)


def _time(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    from pipeline.recommend.request_time import seconds_of

    try:
        return None if text is None else seconds_of(text)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not a time such as 2026-11-20T12:30Z"
        raise click.BadParameter(message) from error


_at_option = click.option(
    "--at",
    metavar="TIME",
    callback=_time,
    help="Time of the request, in ISO 8601; by default now. Items may be recommended "
    "again by then (lists.recommend_again), and models read its hour and weekday "
    "(context.fields).",
)


@main.command()
@click.option(
    "--user", metavar="ID", required=True, help="ID of the user to recommend for."
)
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--like",
    "likes",
    multiple=True,
    metavar="TITLE|ID",
    help="An item that the user likes, in addition to the ratings. Repeatable.",
)
@click.option(
    "--why", is_flag=True, help="Show liked items that support each recommendation."
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="TITLE|ID",
    help="An item that the list must not contain. Repeatable.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD:VALUE",
    help="List only items with this value, as in genres:Drama, if the model has such a "
    "rule (docs/rules.md). Repeatable: of one field, one value is enough.",
)
@click.option(
    "--age",
    metavar="YEARS",
    help="Age of the user, instead of the one in the data, if the model's rules have a "
    "minimum age (docs/rules.md).",
)
@_at_option
@out_option
@json_option
@verbose_option
@click.pass_context
def recommend(
    ctx: click.Context,
    user: str,
    k: int,
    likes: tuple[str, ...],
    why: bool,
    exclude: tuple[str, ...],
    filters: tuple[str, ...],
    age: str | None,
    at: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Print the live model's list of items for a user, with titles.

    Items that the user has rated are left out, unless lists.recommend_again allows
    them. For a user without ratings, the list is
    based on --like or, without it, on popularity.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.recommendations import print_answer

    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.recommend.one_user import recommend as recommended

        answer = recommended(out, user, k, likes, why, at, exclude, filters, age)
    _warn(answer.feed_problem)
    if as_json:
        print_json(answer)
    else:
        print_answer(open_console(), answer)


@main.command()
@click.argument("item", metavar="TITLE|ID")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000))
@out_option
@json_option
@verbose_option
@click.pass_context
def similar(ctx: click.Context, item: str, k: int, out: Path, as_json: bool) -> None:
    """Print the items that are similar to one.

    Of a live model that has a vector for each item, these are the items with the
    largest cosines; of any other, those that are liked by the same users.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.recommendations import print_similar

    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.recommend.one_item import similar_items

        answer, problem = similar_items(out, item, k)
    _warn(problem)
    if as_json:
        print_json(answer)
    else:
        print_similar(open_console(), answer)


@main.command()
@click.option(
    "--out",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Parquet file to write. (--runs sets the folder of the runs.)",
)
@click.option("-k", default=100, show_default=True, type=click.IntRange(1, 10_000))
@_at_option
@runs_option
@verbose_option
@click.pass_context
def batch(ctx: click.Context, path: Path, k: int, at: int | None, out: Path) -> None:
    """Write recommendations for every user to a Parquet file.

    Each row is a user_id, rank (from 1), item_id and score. Items that the user has
    rated are left out, unless lists.recommend_again allows them. The file appears when
    it is complete.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.batch import print_written

    if not path.absolute().parent.is_dir():
        message = f"{path.absolute().parent} is not a directory; create it first"
        raise click.BadParameter(message, param_hint="--out")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.recommend.all_users import recommend_to_all

        written = recommend_to_all(out, path.absolute(), k, at)
    _warn(written.feed_problem)
    print_written(open_console(), written, path)


def _warn(problem: str) -> None:
    if problem:
        click.echo(f"Warning: {problem}", err=True)


@main.command("versions")
@out_option
@json_option
@verbose_option
def list_versions(out: Path, as_json: bool) -> None:
    """List the models that are or were live, newest first."""
    from components.live_models import versions
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.versions import print_versions

    known = versions.with_challengers(out / "live")
    if as_json:
        print_json(
            [
                {**dataclasses.asdict(v), "problem": versions.problem(v.folder)}
                for v in reversed(known)
            ]
        )
    else:
        print_versions(open_console(), known, out)


@main.command("trial")
@out_option
@json_option
@verbose_option
def show_trial(out: Path, as_json: bool) -> None:
    """Show the version on trial, and the steps of all trials.

    A model is put on trial by `marquee run` if delivery.mode is shadow, canary or ab
    (docs/delivery.md). `marquee serve` decides; `marquee rollback` ends a trial.
    """
    import time

    from components.live_models import trial
    from pipeline.delivery.judgement import described, judge
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.trial import print_trial

    ledger = trial.settled(out / "live")
    judgement = judge(out, ledger.trial, time.time()) if ledger.trial else None
    if as_json:
        print_json(described(ledger, judgement))
    else:
        print_trial(open_console(), ledger, judgement)


@main.command()
@click.argument("version", type=int, required=False, shell_complete=completion.versions)
@out_option
@verbose_option
def rollback(version: int | None, out: Path) -> None:
    """Make an earlier model live again.

    VERSION defaults to the one before the live model. Its files are verified and copied
    to a new version number. The next `marquee run` compares new models with it. The
    command does not wait for a run in progress.

    A trial ends, and its version is withdrawn. Without VERSION, the live model stays
    then.
    """
    from components.live_models import rollback, trial
    from pipeline.mlflow_mirror import mirror_versions_of
    from pipeline.runs import lock

    in_progress = trial.settled(out / "live").trial
    if version is None and in_progress:
        trial.withdraw(out / "live", in_progress.version, "a person rolled back")
        click.echo(
            f"The trial of version {in_progress.version} has ended; version "
            f"{in_progress.against} stays live."
        )
        mirror_versions_of(out)
        return
    restored = rollback.roll_back(out / "live", version)
    click.echo(
        f"{restored.model} of version {restored.restored} is live as version "
        f"{restored.number}: {restored.folder}"
    )
    if holder := lock.working(out):
        click.echo(
            f"A run is in progress ({holder}). It may deploy a model that it compared "
            "with the previous one: check `marquee versions` when it has ended.",
            err=True,
        )
    mirror_versions_of(out)
