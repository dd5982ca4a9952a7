"""The ``marquee`` command.

Imports at the top only what ``--help`` and ``models`` need: TFX takes 10 to 17 seconds.
"""

import functools
import logging
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from pipeline import exits

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig
    from pipeline.schedule import Missed
    from pipeline.spans import Window

DEFAULT_OUT = "marquee-out"
_FIRINGS_SHOWN = 20

# Errors that a person can mend → heading and exit status. By name: whoever raised one
# has imported it, and importing the others would take seconds.
_MENDABLE = {
    "pipeline.config.ConfigError": ("Bad configuration", exits.CONFIG),
    "pipeline.run_lock.BusyError": ("Busy", exits.BUSY),
    "pipeline.runs.RunNotFoundError": ("No such run", exits.CONFIG),
    "pipeline.datasets.errors.DatasetError": ("No data", exits.BAD_INPUT),
    "components.ratings_example_gen.problems.BadInputError": (
        "Bad input",
        exits.BAD_INPUT,
    ),
    "components.anomaly_gate.anomalies.AnomaliesError": (
        "Anomalies in the data",
        exits.ANOMALIES,
    ),
    "components.ratings_example_gen.spans.SpansError": ("No data", exits.BAD_INPUT),
    "pipeline.spans.ChangedSpanError": ("Anomalies in the data", exits.ANOMALIES),
    "pipeline.recommending.UnknownItemError": ("No such item", exits.CONFIG),
    "components.anomaly_gate.schema.SchemaError": ("Bad schema", exits.CONFIG),
    "components.pusher.versions.VersionError": ("No such version", exits.CONFIG),
}
_LOG = "marquee.log"  # in click's meta: the log of the run, when there is one
_VERBOSE = "marquee.verbose"


class _Commands(click.Group):
    """Ends with one readable block and the right status, whatever is raised."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            _print_error("Stopped", "Finished steps are kept: run again to go on.")
            ctx.exit(exits.INTERRUPTED)
        except Exception as error:
            heading, status = _kind(error)
            lines = [str(error)]
            if status == exits.UNEXPECTED:
                lines = [f"{type(error).__name__}: {error}"]
            if _LOG in ctx.meta:
                lines.append(f"The log has the rest: {ctx.meta[_LOG]}")
            elif _VERBOSE in ctx.meta:
                lines.append(traceback.format_exc())
            elif status == exits.UNEXPECTED:
                lines.append("With -v it shows where that was.")
            _print_error(heading, "\n".join(lines))
            ctx.exit(status)


def _kind(error: Exception) -> tuple[str, int]:
    """The heading and the exit status of an error."""
    for ancestor in type(error).__mro__:
        name = f"{ancestor.__module__}.{ancestor.__qualname__}"
        if name in _MENDABLE:
            return _MENDABLE[name]
    return "Unexpected error", exits.UNEXPECTED


def _print_error(heading: str, message: str) -> None:
    from pipeline.console import error_text, open_console

    console = open_console(sys.stderr)
    console.print(heading, style="bold red")
    console.print(error_text(message, sys.maxsize), soft_wrap=True)


def _remember_verbose(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_VERBOSE] = True


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show what is logged, and where an error was.",
)
out_option = click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder of the runs.",
)
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Which column is the user_id, item_id, rating or timestamp: a header's name,"
    " or a number from 0. Repeatable.",
)


models_option = click.option(
    "--models",
    metavar="A,B|all",
    help="Models to train; 'marquee models' lists them.",
)
config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="YAML with what differs from configs/default.yaml.",
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="One key of the configuration, as in split.kind=temporal. Repeatable.",
)
run_out_option = click.option(
    "--out", metavar="DIR", help=f"Folder of the runs. [{DEFAULT_OUT}]"
)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="\b\nExit status:\n"
    + "\n".join(f"  {number}  {told}" for number, told in exits.MEANINGS.items()),
)
@click.version_option(package_name="marquee")
def main() -> None:
    """Train recommender models on ratings; keep the best that passes live."""


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """What ``run``, ``retrain`` and ``schedule`` take, beside the data."""
    for option in (
        verbose_option,
        run_out_option,
        settings_option,
        config_option,
        models_option,
    ):
        command = option(command)
    return command


@main.command()
@click.option(
    "--data",
    metavar="NAME|PATH",
    help="sample (the default), ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, or a"
    " file or folder of yours.",
)
@run_options
@click.pass_context
def run(ctx: click.Context, /, **options: Any) -> None:
    """Read, check, train, judge; the best that passes goes live."""
    _execute(ctx, _config(**options))


@main.command()
@click.option("--data", metavar="PATH", help="Folder of the spans.")
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="SPAN",
    help="Take in a span that has changed since it was taken in. Repeatable.",
)
@run_options
@click.pass_context
def retrain(ctx: click.Context, /, accepted: tuple[str, ...], **options: Any) -> None:
    """Take in new spans, retrain, judge; the best goes live.

    A span is a folder below PATH, named by a day (2026-11-21) or a number, with
    ratings and, once it is whole, a file _SUCCESS. With nothing new since the last
    time it does nothing.
    """
    from pipeline import retraining
    from pipeline.console import open_console, print_nothing_new

    config = _config(**options, defaults={"split.kind": "temporal"})
    window = retraining.plan(config, accepted)
    last = retraining.last_verdict(config, window)
    if last is not None:
        print_nothing_new(open_console(), window.told(), last)
        return
    _execute(ctx, config, window)


def _config(
    data: str | None,
    models: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    out: str | None,
    defaults: Mapping[str, str] | None = None,
) -> "PipelineConfig":
    """The configuration that the options of a command make."""
    from pipeline.config import load_config, select_models

    flags = {"--data": ("data.source", data), "--out": ("out", out)}
    config = load_config(
        config_file,
        settings,
        {flag: (key, text) for flag, (key, text) in flags.items() if text is not None},
        defaults,
    )
    if models is not None:
        config = select_models(config, [name.strip() for name in models.split(",")])
    return config


def _execute(
    ctx: click.Context, config: "PipelineConfig", window: "Window | None" = None
) -> None:
    """Runs the pipeline, on spans where there is a window; prints what came of it."""
    from pipeline import run_lock
    from pipeline.console import RunView, captured_output, open_console, print_run

    verbose = _VERBOSE in ctx.meta
    run_id, log = ctx.with_resource(run_lock.one_run(Path(config.out)))
    ctx.meta[_LOG] = log
    with captured_output(log, verbose) as console:
        live = console.is_terminal and not console.is_dumb_terminal and not verbose
        with RunView(console, live) as view:
            try:
                view.progress("loading TensorFlow and TFX", 0, None)
                from pipeline import runs

                if window:
                    from pipeline import retraining

                    result = retraining.retrain(config, window, run_id, view)
                else:
                    result = runs.execute(config, run_id, view)
            except BaseException:
                logging.exception("The run stopped.")
                raise
    print_run(open_console(), result)
    ctx.exit(runs.exit_status(result))


@main.command()
@click.option(
    "--cron",
    metavar="EXPR",
    help="When: minute, hour, day of the month, month, weekday; '0 3 * * *' is each day"
    " at 3:00.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    default="UTC",
    show_default=True,
    help="Whose clock that is, as in Europe/Berlin.",
)
@click.option(
    "--missed",
    type=click.Choice(["once", "skip"]),
    default="once",
    show_default=True,
    help="What to do about firings that were missed while the machine or the schedule"
    " was down, or a run was still going: run once for all of them, or wait for the"
    " next.",
)
@click.option("--log", "log_only", is_flag=True, help="Show the last firings, and end.")
@click.option(
    "--data", metavar="SPANS", help="The ratings, as `marquee retrain` takes them."
)
@run_options
@click.pass_context
def schedule(
    ctx: click.Context,
    /,
    cron: str | None,
    timezone: str,
    missed: "Missed",
    log_only: bool,
    **options: Any,
) -> None:
    """Run `marquee retrain` by the clock, until it is stopped.

    Each run is a process of its own, one at a time. What came of each stands in
    schedule.jsonl in the folder of the runs, and all that they print in schedule.log.
    """
    from pipeline import console
    from pipeline import schedule as schedules

    # Read now, rather than at the first firing; which reads it again.
    folder = Path(_config(**options).out)

    screen = console.open_console()
    if log_only:
        console.print_firings(
            screen, schedules.firings(folder)[-_FIRINGS_SHOWN:], folder
        )
        return
    if cron is None:
        raise click.UsageError("say when: --cron '0 3 * * *' is each day at 3:00")
    when = schedules.Schedule(cron, timezone)
    command = [sys.executable, "-m", "pipeline", "retrain", *_arguments(**options)]
    tell = functools.partial(console.print_firing, screen)
    keeper = schedules.Keeper(when, missed, folder, command, tell)
    log = folder / schedules.LOG_FILE
    started = functools.partial(console.print_schedule, screen, when, log)
    ctx.exit(schedules.keep(keeper, folder, started))


def _arguments(
    settings: tuple[str, ...], config_file: Path | None, **options: str | None
) -> list[str]:
    """What makes a command of the same options."""
    config = str(config_file) if config_file else None
    given = {**options, "config": config}
    flags = [(f"--{name}", text) for name, text in given.items() if text is not None]
    flags += [("--set", setting) for setting in settings]
    return [text for flag in flags for text in flag]


@main.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbose_option
def show(run_id: str | None, out: Path, as_json: bool) -> None:
    """Show what came of a run: of RUN, else of the newest."""
    import msgspec

    from pipeline import runs
    from pipeline.console import open_console, print_run

    result = runs.read(out, run_id)
    if as_json:  # msgspec writes NaN as null: JSON has no NaN
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2))
    else:
        print_run(open_console(), result)


@main.command()
def models() -> None:
    """List the models: task, settings and paper."""
    import dataclasses

    from trainer_modules.registry import MODELS

    for spec in MODELS.values():
        click.secho(spec.name, bold=True, nl=False)
        click.echo(f"  ({spec.task})")
        settings = ", ".join(
            f"{field.name}={field.default}"
            for field in dataclasses.fields(spec.config_class)
        )
        for line in (spec.summary, settings, spec.paper):
            if line:
                text = click.wrap_text(
                    line, min(88, _width()), initial_indent="  ", subsequent_indent="  "
                )
                click.echo(text)
        click.echo()


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


@main.command()
@click.argument("path")
@column_option
@verbose_option
def data(path: str, columns: tuple[str, ...]) -> None:
    """Look at ratings, without a run.

    PATH is a file, a folder or a data set's name. Says what was recognised, counts,
    dates, and the first problems; bad rows make the exit status 3.
    """
    from components.ratings_example_gen import inspect
    from pipeline import datasets
    from pipeline.console import RunView, open_console, print_data

    chosen = _columns(columns)
    console = open_console()
    with RunView(open_console(sys.stderr), live=sys.stderr.isatty()) as view:
        view.progress(f"reading {path}", 0, None)
        summary = inspect(datasets.resolve(path, view.progress).folder, chosen)
    print_data(console, summary)
    if summary.bad_by_kind:
        click.get_current_context().exit(exits.BAD_INPUT)


def _columns(options: tuple[str, ...]) -> dict[str, str]:
    """``--column user_id=member`` as the configuration has it, checked by it."""
    from pipeline.config import load_config

    for option in options:
        if "=" not in option:
            message = f"{option!r}: expected NAME=COLUMN, as in user_id=member"
            raise click.BadParameter(message, param_hint="--column")
    flags = {
        f"--column {option}": (f"data.columns.{name}", column)
        for option in options
        for name, _, column in [option.partition("=")]
    }
    # Any own file will do: the mapping is checked, nothing is read.
    config = load_config(None, flags={"--data": ("data.source", "."), **flags})
    return config.data.columns


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@verbose_option
def recommend(
    user: str, k: int, likes: tuple[str, ...], why: bool, out: Path, as_json: bool
) -> None:
    """Ask the live model for a user's list, in titles.

    What the user has rated is left out. Of a user without ratings it is made of
    --like, or of what is liked most.
    """
    import dataclasses

    import msgspec

    from pipeline.console import captured_output, open_console, print_answer

    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        captured_output(Path(log.name), False),
    ):
        from pipeline.recommending import recommend as recommended

        answer = recommended(out, user, k, likes, why)
    if as_json:
        text = msgspec.json.encode(dataclasses.asdict(answer))
        click.echo(msgspec.json.format(text, indent=2))
    else:
        print_answer(open_console(), answer)


@main.command("versions")
@out_option
@verbose_option
def list_versions(out: Path) -> None:
    """List the models that are and were live, the newest first."""
    from components.pusher import versions
    from pipeline.console import open_console, print_versions

    print_versions(open_console(), versions.versions(out / "live"), out)


@main.command()
@click.argument("version", type=int, required=False)
@out_option
@verbose_option
def rollback(version: int | None, out: Path) -> None:
    """Make an older model live again.

    The one of VERSION, else the one before the live model. Its files are checked and
    get a new number; the next `marquee run` holds new models against it. A run that is
    at work is not waited for.
    """
    from components.pusher import versions
    from pipeline import run_lock

    restored = versions.rollback(out / "live", version)
    click.echo(
        f"{restored.model} of version {restored.restored} is live, as version "
        f"{restored.number}: {restored.folder}"
    )
    if holder := run_lock.working(out):
        click.echo(
            f"A run is at work ({holder}). It may put a model live that it judged "
            "against the one before: look at `marquee versions` when it has ended.",
            err=True,
        )


@main.command()
@out_option
@verbose_option
@click.pass_context
def doctor(ctx: click.Context, out: Path) -> None:
    """Check that this machine can run the pipeline."""
    from pipeline.console import captured_output
    from pipeline.doctor import examine, print_checks

    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        captured_output(Path(log.name), _VERBOSE in ctx.meta) as console,
    ):
        healthy = print_checks(console, examine(out))
    ctx.exit(0 if healthy else exits.UNEXPECTED)


@main.group()
def schema() -> None:
    """Say what the data must look like."""


@schema.command()
@click.argument("path")
@column_option
@click.option(
    "--to",
    type=click.File("w", lazy=True),
    default="-",
    metavar="FILE",
    help="Write it there, rather than print it.",
)
@verbose_option
@click.pass_context
def propose(
    ctx: click.Context, path: str, columns: tuple[str, ...], to: TextIO
) -> None:
    """Write a schema that fits ratings of your own, to read and correct.

    Then: marquee run --data PATH --set schema.path=FILE
    """
    from pipeline import datasets
    from pipeline.console import captured_output

    chosen = _columns(columns)
    with (
        tempfile.NamedTemporaryFile(suffix=".log") as log,
        captured_output(Path(log.name), _VERBOSE in ctx.meta),
    ):
        from pipeline.schema_proposal import propose as proposed

        text = proposed(datasets.resolve(path, _ignore).folder, chosen)
    to.write(text)


def _ignore(description: str, done: int, total: int | None) -> None:
    """No progress: standard output is the schema."""
