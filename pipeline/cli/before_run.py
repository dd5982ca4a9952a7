"""Commands to use before a run: models, data and schema."""

import shlex
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from pipeline import exit_codes
from pipeline.cli.command import (
    VERBOSE,
    data_options,
    json_option,
    main,
    out_option,
    print_json,
    read_config,
    verbose_option,
)


@main.command()
@click.option(
    "--tuned",
    is_flag=True,
    help="List the settings that `marquee tune` found last, and `tuned: auto` takes.",
)
@out_option
@json_option
def models(tuned: bool, out: Path, as_json: bool) -> None:
    """List the models with their task, settings and paper."""
    from pipeline.config.descriptions import described_settings
    from trainer_modules.registry import MODELS

    if tuned:
        _show_tuned(out, as_json)
        return
    if as_json:
        print_json(
            [
                {
                    **{"name": spec.name, "task": spec.task, "summary": spec.summary},
                    **{"paper": spec.paper, "settings": spec.config_class()},
                }
                for spec in MODELS.values()
            ]
        )
        return
    for spec in MODELS.values():
        click.secho(spec.name, bold=True, nl=False)
        click.echo(f"  ({spec.task})")
        settings = ", ".join(
            f"{key}={default}"
            for key, default, *_ in described_settings(spec.config_class())
        )
        for line in (spec.summary, settings, spec.paper):
            if line:
                text = click.wrap_text(
                    line, min(88, _width()), initial_indent="  ", subsequent_indent="  "
                )
                click.echo(text)
        click.echo()


def _show_tuned(out: Path, as_json: bool) -> None:
    from pipeline.runs.tuned import newest_settings
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.tuning import print_settings

    found = newest_settings(out)
    if as_json:
        print_json(found)
    elif found:
        print_settings(open_console(), found)
    else:
        click.echo(f"No model has been tuned in {out}.")


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


@main.command()
@click.argument("path")
@data_options
@json_option
@verbose_option
def data(path: str, as_json: bool, **options: Any) -> None:
    """Inspect ratings, without a run.

    PATH is as --data of `marquee run`: a file, a folder, rows of a database or the name
    of a data set. Prints what was recognised, counts, dates and the first problems. The
    exit status is 3 if rows are bad.
    """
    import dataclasses

    from components.ratings_example_gen import inspect
    from pipeline.config.data_settings import settings_to_look
    from pipeline.context_advice import describe_context, warnings_of_context
    from pipeline.event_proposal import propose_events
    from pipeline.repeats_advice import (
        describe_repeats,
        propose_repeats,
        warnings_of_repeats,
    )
    from pipeline.runs.single_class import explain_one_label
    from pipeline.runs.source_files import unrecorded_files
    from pipeline.views.terminal import RunView, open_console
    from pipeline.views.terminal.input_data import SettingsInUse, print_data

    config = read_config(path, **options)
    console = open_console()
    with (
        RunView(open_console(sys.stderr), live=sys.stderr.isatty()) as view,
        unrecorded_files(config, view.progress) as source,
    ):
        view.progress(f"reading {source.name}", 0, None)
        summary = inspect(source.folder, settings_to_look(source.config))
        summary = dataclasses.replace(
            summary,
            files=[source.shown(name) for name in summary.files],
            first_problems=[source.shown(text) for text in summary.first_problems],
        )
    one_label = explain_one_label(config.label, summary.rating_min, summary.rating_max)
    proposal = None if config.events.types else propose_events(summary)
    repeats = propose_repeats(config, summary)
    if as_json:
        more = {"snapshots": source.snapshots, "one_label": one_label}
        print_json(dataclasses.asdict(summary) | more)
    else:
        print_data(
            console,
            summary,
            one_label,
            proposal,
            source.snapshots,
            SettingsInUse(
                describe_repeats(config),
                describe_context(config),
                [*warnings_of_repeats(config), *warnings_of_context(config)],
                repeats,
            ),
        )
    if summary.bad_by_kind:
        click.get_current_context().exit(exit_codes.BAD_INPUT)


@main.group()
def schema() -> None:
    """Work with the schema that data must fit."""


@schema.command()
@click.argument("path")
@data_options
@click.option(
    "--to",
    type=click.File("w", lazy=True),
    default="-",
    metavar="FILE",
    help="Write the schema to a file instead of printing it.",
)
@verbose_option
@click.pass_context
def propose(ctx: click.Context, /, path: str, to: TextIO, **options: Any) -> None:
    """Write a schema that fits your own ratings, for you to review.

    Bad rows are left out and counted. If no rating can be read, nothing is written and
    the exit status is 3.

    Then run: marquee run --data PATH --set schema.path=FILE
    """
    from pipeline.config.data_settings import data_settings
    from pipeline.runs.source_files import unrecorded_files
    from pipeline.views.terminal import hidden_output

    config = read_config(path, **options)
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.schema_proposal import propose as proposed

        with unrecorded_files(config, _ignore) as source:
            settings = data_settings(source.config)
            proposal = proposed(source.folder, settings, source.place)
    to.write(proposal.text)
    to.flush()
    if to.name != sys.stdout.name:
        click.echo(f"Wrote {to.name}. {' '.join(proposal.facts)}", err=True)
        click.echo(
            f"Review it, then run: marquee run --data {shlex.quote(path)} --set "
            f"schema.path={shlex.quote(to.name)}",
            err=True,
        )


def _ignore(description: str, done: int, total: int | None) -> None:
    """Reports no progress: standard output is for the schema."""
