"""Commands that run the pipeline: now, on new spans, or on a schedule."""

import contextlib
import datetime
import functools
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pipeline import exit_codes
from pipeline.cli.command import (
    LOG,
    VERBOSE,
    json_option,
    main,
    out_option,
    print_json,
    read_config,
    run_options,
    verbose_option,
)
from pipeline.runs import stopping

if TYPE_CHECKING:
    from pipeline.config.sections import PipelineConfig
    from pipeline.retraining.scheduler import Missed
    from pipeline.runs.record import RunRecord
    from pipeline.runs.span_record import Window
    from pipeline.runs.tuned import TunedModel
    from pipeline.views.terminal import RunView
    from pipeline.views.terminal.terminal import Terminal

DATA_HELP = (
    "sample (the default), ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m, a file or"
    " folder of your own, s3://bucket/folder, or rows of a database, as in"
    " postgresql://host/shop#ratings or sqlite://shop.db#'SELECT ...'"
    " (docs/own-data.md)."
)
_FIRINGS_SHOWN = 20


@main.command()
@click.option("--data", metavar="NAME|PATH|URL", help=DATA_HELP)
@click.option(
    "--plan",
    "plans",
    is_flag=True,
    help="Only read the ratings, and show how long the run would take and how much"
    " memory.",
)
@run_options
@click.pass_context
def run(ctx: click.Context, /, plans: bool, **options: Any) -> None:
    """Train and evaluate models; deploy the best model that passes."""
    config = read_config(**options)
    if plans:
        show_plan(config, verbose=VERBOSE in ctx.meta)
    else:
        execute_run(ctx, config)


def show_plan(config: "PipelineConfig", verbose: bool) -> None:
    """Shows what a run would cost; reads the ratings, and writes nothing."""
    from components.ratings_example_gen import inspect
    from pipeline.config.data_settings import settings_to_look
    from pipeline.plan.planned import plan
    from pipeline.plan.work import Size
    from pipeline.runs.capacity import capacity
    from pipeline.runs.execute import recognised, usable_models
    from pipeline.runs.source_files import unrecorded_files
    from pipeline.views.terminal import RunView, hidden_output
    from pipeline.views.terminal.plan import print_plan

    with hidden_output(verbose) as console:
        live = _is_live(console, verbose)
        with (
            RunView(console, live) as view,
            unrecorded_files(config, view.progress) as source,
        ):
            view.progress(f"reading {source.name}", 0, None)
            found = inspect(source.folder, settings_to_look(source.config))
            layout = recognised(source.config, source.folder, ())
            bytes_of_ratings = 0
            if layout:
                config = usable_models(source.config, layout)
                bytes_of_ratings = sum(part.size for part in layout.ratings)
            view.progress("estimating", 0, None)
            size = Size(found.users, found.items, found.kept - found.repeated)
            planned = plan(config, size, capacity(config.run, bytes_of_ratings))
        print_plan(console, source.name, planned)


@main.command()
@click.option(
    "--data",
    metavar="PATH|URL",
    help="Folder of the spans, s3://bucket/folder, or a query with {start} and {end}.",
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="SPAN",
    help="Include a span although it changed since an earlier run, or was held back"
    " because of drift. Repeatable.",
)
@run_options
@click.pass_context
def retrain(ctx: click.Context, /, accepted: tuple[str, ...], **options: Any) -> None:
    """Retrain on new spans; deploy the best model that passes.

    A span is a folder below PATH, named by a day (2026-11-21) or a number. It holds
    ratings and, once it is complete, a file _SUCCESS. If nothing has changed since
    the last retraining, the command does nothing.
    """
    config = read_config(**options, defaults={"split.kind": "temporal"})
    execute_retraining(ctx, config, accepted)


def execute_retraining(
    ctx: click.Context, config: "PipelineConfig", accepted: tuple[str, ...] = ()
) -> None:
    """Runs the pipeline on spans, unless nothing has changed since the last time."""
    from pipeline.retraining import retrain as retraining
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.spans import print_nothing_new

    window = retraining.plan(config, accepted)
    last = retraining.last_verdict(config, window)
    if last is not None:
        print_nothing_new(open_console(), window, last)
        return
    _check_served(ctx, config)
    if window.names[-1] in accepted:
        retrained = msgspec.structs.replace(config.retrain, drift="warn")
        config = msgspec.structs.replace(config, retrain=retrained)
    execute_run(ctx, config, window)


def _check_served(ctx: click.Context, config: "PipelineConfig") -> None:
    """Stops or warns if features in served lists are not those of training."""
    from pipeline.served_features.before_retraining import check_served
    from pipeline.views.terminal import hidden_output

    with hidden_output(VERBOSE in ctx.meta):
        warnings = check_served(config)
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def execute_run(
    ctx: click.Context, config: "PipelineConfig", window: "Window | None" = None
) -> None:
    """Runs the pipeline, on the spans of a window if there is one."""
    from pipeline.runs import step_traces
    from pipeline.views.terminal import open_console, print_run

    with started(ctx, config) as (run_id, view):
        with step_traces.traced(run_id, view) as (observer, finish):
            if window:
                from pipeline.retraining import retrain as retraining

                result = retraining.retrain(config, window, run_id, observer)
            else:
                from pipeline.runs import execute

                result = execute.execute(config, run_id, observer)
            finish(result)
        if window:
            _write_studies_of(config, result, view)
        written = _written_report(view, lambda: _write(Path(config.out), run_id))
        if config.mlflow.uri:
            from pipeline.mlflow_mirror import mirror_run

            view.progress("copying the run to MLflow", 0, None)
            mirror_run(config.mlflow, result)
    print_run(open_console(), result, written)
    ctx.exit(result.run.status.exit_status)


def _write(out: Path, run_id: str) -> Path:
    from pipeline.views import html

    return html.write(out, run_id)


def _is_live(console: "Terminal", verbose: bool) -> bool:
    """Returns whether progress is shown in place, rather than line by line."""
    return console.is_terminal and not console.is_dumb_terminal and not verbose


@contextlib.contextmanager
def started(
    ctx: click.Context, config: "PipelineConfig"
) -> Iterator[tuple[str, "RunView"]]:
    """Starts a run, and yields its ID and the view that shows its progress.

    What stops the run is logged.
    """
    from pipeline.runs import lock
    from pipeline.views.terminal import RunView, captured_output

    _check_runner(config)
    verbose = VERBOSE in ctx.meta
    ctx.with_resource(stopping.stopped_by_signals())
    run_id, log = ctx.with_resource(lock.one_run(Path(config.out)))
    ctx.meta[LOG] = log
    with captured_output(log, verbose) as console:
        live = _is_live(console, verbose)
        with RunView(console, live) as view:
            try:
                yield run_id, view
            except BaseException:
                logging.exception("The run stopped.")
                raise


def _check_runner(config: "PipelineConfig") -> None:
    """Raises ``ConfigError`` if Beam's runner cannot be used from this machine."""
    from pipeline.config.errors import ConfigError

    if config.beam.runner == "experimental-dataflow":
        raise ConfigError(
            None,
            None,
            "beam.runner",
            f"Dataflow cannot access {config.out} on this machine. Compile the pipeline"
            " for a cluster, with its root in Cloud Storage (docs/beam.md)",
        )
    if config.beam.runner in ("flink", "experimental-spark"):
        host, _, port = config.beam.endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            message = (
                f"no job server answers at {config.beam.endpoint} ({error}). Start it,"
                " or set its address (docs/beam.md)"
            )
            raise ConfigError(None, None, "beam.endpoint", message) from error


def _write_studies_of(
    config: "PipelineConfig", result: "RunRecord", view: "RunView"
) -> None:
    """Writes the settings that a retraining found first, if it tuned its models."""
    if not any(step.name.startswith("Tuner_") for step in result.steps):
        return
    from pipeline.runs.step_outputs import existing_outputs
    from pipeline.runs.tuned import collect_tuned

    run_id = result.run.id
    outputs = existing_outputs(Path(config.out).absolute(), run_id)
    models = collect_tuned(config, result.steps, outputs)
    write_studies(config, run_id, view, models)


def write_studies(
    config: "PipelineConfig",
    run_id: str,
    view: "RunView",
    models: "Sequence[TunedModel]",
) -> "tuple[Path | None, Path | Exception | None]":
    """Writes the best settings, and the report of the studies.

    Returns:
        The paths of both, or of the report the error; None without any result.
    """
    from pipeline.runs.tuned import write_tuned

    written = write_tuned(config, run_id, models)
    if not written:
        return None, None
    from pipeline.views import html

    report = _written_report(view, lambda: html.write_tuning(config, run_id, models))
    return written, report


def _written_report(view: "RunView", write: Callable[[], Path]) -> "Path | Exception":
    """Returns the path of the report, or the error, which does not fail the run."""
    view.progress("writing the report", 0, None)
    try:
        return write()
    except Exception as error:
        logging.exception("The report could not be written.")
        return error


@main.command()
@click.option(
    "--cron",
    metavar="EXPR",
    help="Schedule as minute, hour, day of the month, month and weekday; '0 3 * * *' is"
    " daily at 03:00.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    default="UTC",
    show_default=True,
    help="Time zone of the schedule, such as Europe/Berlin.",
)
@click.option(
    "--missed",
    type=click.Choice(["once", "skip"]),
    default="once",
    show_default=True,
    help="What to do about firings that were missed because the machine or the"
    " scheduler was down, or a run took longer: run once for all of them, or wait for"
    " the next.",
)
@click.option("--log", "log_only", is_flag=True, help="Show the last firings and exit.")
@json_option
@click.option(
    "--data", metavar="SPANS", help="Folder of the spans, as for `marquee retrain`."
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
    as_json: bool,
    **options: Any,
) -> None:
    """Run `marquee retrain` on a schedule until stopped.

    Each run is a separate process, one at a time. The result of each is recorded in
    schedule.jsonl in the folder of the runs, and its output in schedule.log.
    """
    from pipeline.retraining import cron_schedule, run_process, schedule_log
    from pipeline.retraining import scheduler as schedules
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.schedule import print_firing, print_schedule

    # Checked now rather than at the first firing, which reads it again.
    config = read_config(**options)
    folder = Path(config.out)

    if log_only:
        _show_firings(folder, as_json)
        return
    if as_json:
        raise click.UsageError("--json applies to --log only")
    if cron is None:
        raise click.UsageError(
            "Missing option --cron, e.g. '0 3 * * *' for daily at 03:00"
        )
    when = cron_schedule.Schedule(cron, timezone)
    command = [sys.executable, "-m", "pipeline", "retrain", *_arguments(**options)]
    screen = open_console()
    report = functools.partial(print_firing, screen)
    limit = datetime.timedelta(hours=config.retrain.max_hours)
    timing = run_process.Timing(limit=limit)
    keeper = schedules.Keeper(when, missed, folder, command, report, timing=timing)
    log = folder / schedule_log.LOG_FILE
    started = functools.partial(print_schedule, screen, when, log)
    ctx.exit(schedules.keep(keeper, folder, started))


def _show_firings(folder: Path, as_json: bool) -> None:
    from pipeline.retraining import schedule_log
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.schedule import print_firings

    firings = schedule_log.firings(folder)[-_FIRINGS_SHOWN:]
    if as_json:
        print_json(firings[::-1])
    else:
        print_firings(open_console(), firings, folder)


def _arguments(
    settings: tuple[str, ...],
    config_file: Path | None,
    **options: str | tuple[str, ...] | None,
) -> list[str]:
    """Returns the arguments that pass the same options to another command."""
    config = str(config_file) if config_file else None
    arguments = []
    for name, given in {**options, "set": settings, "config": config}.items():
        for value in (given,) if isinstance(given, str) else given or ():
            arguments += [f"--{name.replace('_', '-')}", value]
    return arguments


@main.command()
@click.option(
    "--restore",
    is_flag=True,
    help="First restore the metadata store as it was before the last run; the damaged"
    " one is kept beside it.",
)
@out_option
@json_option
@verbose_option
@click.pass_context
def doctor(ctx: click.Context, restore: bool, out: Path, as_json: bool) -> None:
    """Check that this machine can run the pipeline."""
    from pipeline.doctor import examine
    from pipeline.views.terminal import hidden_output
    from pipeline.views.terminal.checks import print_checks

    if restore:
        from pipeline.runs import lock, metadata_store

        with lock.held(out / lock.LOCK_FILE, "run"):
            kept = metadata_store.restore(out)
        if kept:
            click.echo(f"The previous store was moved to {kept}.", err=True)
    with hidden_output(VERBOSE in ctx.meta) as console:
        if as_json:
            checks = list(examine(out))
            healthy = all(check.state != "fail" for check in checks)
        else:
            healthy = print_checks(console, examine(out))
    if as_json:
        print_json(checks)
    ctx.exit(0 if healthy else exit_codes.UNEXPECTED)
