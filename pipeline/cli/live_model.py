"""The live model: asked for a list, and exchanged for an older one."""

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


@main.command()
@click.option("--user", metavar="ID", required=True, help="Whose list.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--like",
    "likes",
    multiple=True,
    metavar="TITLE|ID",
    help="What the user likes besides what the ratings say. Repeatable.",
)
@click.option("--why", is_flag=True, help="Show liked items that speak for each.")
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
    out: Path,
    as_json: bool,
) -> None:
    """Ask the live model for a user's list, in titles.

    What the user has rated is left out. Of a user without ratings it is made of
    --like, or of what is liked most.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.recommendations import print_answer

    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.recommend.one_user import recommend as recommended

        answer = recommended(out, user, k, likes, why)
    if as_json:
        print_json(answer)
    else:
        print_answer(open_console(), answer)


@main.command()
@click.option(
    "--out",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The Parquet file to write. (The folder of the runs is --runs here.)",
)
@click.option("-k", default=100, show_default=True, type=click.IntRange(1, 10_000))
@runs_option
@verbose_option
@click.pass_context
def batch(ctx: click.Context, path: Path, k: int, out: Path) -> None:
    """Write the live model's list for every user to a Parquet file.

    A row for each place: user_id, rank (from 1), item_id, score. What a user has rated
    is left out. The file appears when it is whole.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.batch import print_written

    if not path.absolute().parent.is_dir():
        message = f"{path.absolute().parent} is no folder; make it first"
        raise click.BadParameter(message, param_hint="--out")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.recommend.all_users import recommend_to_all

        written = recommend_to_all(out, path.absolute(), k)
    print_written(open_console(), written, path)


@main.command("versions")
@out_option
@json_option
@verbose_option
def list_versions(out: Path, as_json: bool) -> None:
    """List the models that are and were live, the newest first."""
    from components.live_models import versions
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.versions import print_versions

    known = versions.versions(out / "live")
    if as_json:
        print_json(
            [
                {**dataclasses.asdict(v), "problem": versions.problem(v.folder)}
                for v in reversed(known)
            ]
        )
    else:
        print_versions(open_console(), known, out)


@main.command()
@click.argument("version", type=int, required=False, shell_complete=completion.versions)
@out_option
@verbose_option
def rollback(version: int | None, out: Path) -> None:
    """Make an older model live again.

    The one of VERSION, else the one before the live model. Its files are checked and
    get a new number; the next `marquee run` holds new models against it. A run that is
    at work is not waited for.
    """
    from components.live_models import rollback
    from pipeline.runs import lock

    restored = rollback.roll_back(out / "live", version)
    click.echo(
        f"{restored.model} of version {restored.restored} is live, as version "
        f"{restored.number}: {restored.folder}"
    )
    if holder := lock.working(out):
        click.echo(
            f"A run is at work ({holder}). It may put a model live that it judged "
            "against the one before: look at `marquee versions` when it has ended.",
            err=True,
        )
