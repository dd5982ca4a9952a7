"""The ``marquee`` command: what all its commands share, errors and options.

Imports at the top only what ``--help`` and ``models`` need: TFX takes 10 to 17 seconds.
"""

import errno
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components import durable_files
from pipeline import DEFAULT_OUT, exit_codes, standard_streams
from pipeline.cli import completion

if TYPE_CHECKING:
    from pipeline.config.schema import PipelineConfig

# Errors that a person can mend → heading and exit status. By name: whoever raised one
# has imported it, and importing the others would take seconds.
_MENDABLE = {
    "pipeline.config.errors.ConfigError": ("Bad configuration", exit_codes.CONFIG),
    "pipeline.runs.metadata_store.MetadataError": (
        "No metadata store",
        exit_codes.CONFIG,
    ),
    "pipeline.runs.cleanup.NotRemovedError": ("Not removed", exit_codes.FAILED),
    "pipeline.runs.lock.BusyError": ("Busy", exit_codes.BUSY),
    "pipeline.runs.finished_runs.RunNotFoundError": ("No such run", exit_codes.CONFIG),
    "pipeline.datasets.errors.DatasetError": ("No data", exit_codes.BAD_INPUT),
    "components.ratings_example_gen.input_errors.BadInputError": (
        "Bad input",
        exit_codes.BAD_INPUT,
    ),
    "components.anomaly_gate.anomalies.AnomaliesError": (
        "Anomalies in the data",
        exit_codes.ANOMALIES,
    ),
    "components.ratings_example_gen.spans.SpansError": (
        "No data",
        exit_codes.BAD_INPUT,
    ),
    "pipeline.retraining.spans.ChangedSpanError": (
        "Anomalies in the data",
        exit_codes.ANOMALIES,
    ),
    "pipeline.recommend.item_titles.UnknownItemError": (
        "No such item",
        exit_codes.CONFIG,
    ),
    "components.anomaly_gate.schema.SchemaError": ("Bad schema", exit_codes.CONFIG),
    "components.live_models.versions.VersionError": (
        "No such version",
        exit_codes.CONFIG,
    ),
    "pipeline.lineage.accepted_data.NoAcceptedDataError": (
        "No data to serve from",
        exit_codes.CONFIG,
    ),
    "pipeline.lineage.store.NoLineageError": ("No lineage", exit_codes.CONFIG),
}
LOG = "marquee.log"  # in click's meta: the log of the run, when there is one
VERBOSE = "marquee.verbose"


class _Commands(click.Group):
    """Ends with one readable block and the right status, whatever is raised."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Runs the program, on whatever it is to print to."""
        standard_streams.prepare()
        durable_files.forbid_world_writable()
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except click.FileError as error:  # a wrong path, for which click has status 1
            raise click.UsageError(error.format_message(), ctx) from error
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort) as stop:
            by = f"{stop.args[0]}. ".capitalize() if stop.args else ""
            _print_error("Stopped", f"{by}Finished steps are kept: run again to go on.")
            ctx.exit(exit_codes.SIGNALLED + getattr(stop, "number", signal.SIGINT))
        except Exception as error:
            if isinstance(error, BrokenPipeError) and standard_streams.reader_is_gone():
                standard_streams.silence(sys.stdout)
                ctx.exit(exit_codes.READER_GONE)
            heading, status = _kind(error)
            lines = [str(error)]
            if status == exit_codes.UNEXPECTED:
                lines = [f"{type(error).__name__}: {error}"]
            if _is_full(error):
                lines.append(exit_codes.MAKE_ROOM)
            if LOG in ctx.meta:
                lines.append(f"The log has the rest: {ctx.meta[LOG]}")
            elif VERBOSE in ctx.meta:
                lines.append(traceback.format_exc())
            elif status == exit_codes.UNEXPECTED:
                lines.append("With -v it shows where that was.")
            _print_error(heading, "\n".join(lines))
            ctx.exit(status)


def _kind(error: Exception) -> tuple[str, int]:
    """The heading and the exit status of an error."""
    for ancestor in type(error).__mro__:
        name = f"{ancestor.__module__}.{ancestor.__qualname__}"
        if name in _MENDABLE:
            return _MENDABLE[name]
    if _is_full(error):
        return "Disk full", exit_codes.FAILED
    return "Unexpected error", exit_codes.UNEXPECTED


def _is_full(error: Exception) -> bool:
    """Whether there was no room to write, on the disk or for this person."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _print_error(heading: str, message: str) -> None:
    from pipeline.views.terminal import error_text, open_console

    console = open_console(sys.stderr)
    console.print(heading, style="bold red")
    console.print(error_text(message, sys.maxsize), soft_wrap=True)


def _remember_verbose(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[VERBOSE] = True


def _folder_of_runs(
    *names: str,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option, and what its value is called."""
    return click.option(
        *names,
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=DEFAULT_OUT,
        show_default=True,
        help="Folder of the runs.",
    )


out_option = _folder_of_runs("--out")
runs_option = _folder_of_runs("--runs", "out")  # where --out is what is written
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show what is logged, and where an error was.",
)
models_option = click.option(
    "--models",
    metavar="A,B|all",
    shell_complete=completion.models,
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
    shell_complete=completion.settings,
    help="One key of the configuration, as in split.kind=temporal. Repeatable.",
)
_COLUMN_FLAGS = {  # flag → the setting that it adds to, and its help
    "--column": (
        "data.columns",
        "Which column is the user_id, item_id, rating or timestamp: a header's name, or"
        " a number from 0. What is not named is recognised. Repeatable.",
    ),
    "--item-column": (
        "data.item_columns",
        "The same for the item_id or title in the file of the items.",
    ),
    "--user-column": (
        "data.user_columns",
        "The same for the user_id in the file of the users.",
    ),
}
run_out_option = click.option(
    "--out", metavar="DIR", help=f"Folder of the runs. [{DEFAULT_OUT}]"
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs."
)


def print_json(value: Any) -> None:
    """Prints what a program can read; NaN, which JSON has not, becomes null."""
    import msgspec

    text = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(text, indent=2))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="\b\nExit status:\n"
    + "\n".join(f"  {number}  {told}" for number, told in exit_codes.MEANINGS.items()),
)
@click.version_option(package_name="marquee")
def main() -> None:
    """Train recommender models on ratings; keep the best that passes live."""


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say how data is read, wherever it is read."""
    for flag, (_, text) in reversed(_COLUMN_FLAGS.items()):
        option = click.option(flag, multiple=True, metavar="NAME=COLUMN", help=text)
        command = option(command)
    return settings_option(config_option(command))


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what ``run``, ``retrain`` and ``schedule`` take, beside the data."""
    for option in (verbose_option, run_out_option, data_options, models_option):
        command = option(command)
    return command


def read_config(
    data: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    models: str | None = None,
    out: str | None = None,
    defaults: Mapping[str, str] | None = None,
    **columns: tuple[str, ...],
) -> "PipelineConfig":
    """Returns the configuration that the options of a command make."""
    from pipeline.config import experimental
    from pipeline.config.load import load_config, select_models

    given = {"--data": ("data.source", data), "--out": ("out", out)}
    flags = {
        flag: (key, text) for flag, (key, text) in given.items() if text is not None
    }
    config = load_config(config_file, settings, flags | _columns(columns), defaults)
    if models is not None:
        config = select_models(config, [name.strip() for name in models.split(",")])
    for warning in experimental.warnings(config):
        click.echo(warning, err=True)
    return config


def _columns(given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, str]]:
    """Returns the key and the value of each ``--column user_id=member``."""
    flags = {}
    for flag, (section, _) in _COLUMN_FLAGS.items():
        for option in given.get(flag.strip("-").replace("-", "_"), ()):
            name, equals, column = option.partition("=")
            if not equals:
                message = f"{option!r}: expected NAME=COLUMN, as in user_id=member"
                raise click.BadParameter(message, param_hint=flag)
            flags[f"{flag} {option}"] = (f"{section}.{name}", column)
    return flags
