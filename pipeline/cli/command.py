"""The ``marquee`` command: the errors and options that all subcommands share.

The top imports only what ``--help`` and ``models`` need: TFX takes 10 to 17 seconds.
"""

import errno
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components import durable_files
from pipeline import DEFAULT_OUT, exit_codes, standard_streams
from pipeline.cli import completion
from pipeline.cli.capacity_options import capacity_options

if TYPE_CHECKING:
    from pipeline.config.sections import PipelineConfig

# User-fixable errors → heading and exit status. By name, because importing the classes
# would take seconds; the code that raised one has imported its class.
_FIXABLE = {
    "pipeline.config.errors.ConfigError": ("Bad configuration", exit_codes.CONFIG),
    "pipeline.runs.metadata_store.MetadataError": (
        "No metadata store",
        exit_codes.CONFIG,
    ),
    "pipeline.runs.cleanup.NotRemovedError": ("Not removed", exit_codes.FAILED),
    "pipeline.forgetting.plan.NotForgottenError": ("Not forgotten", exit_codes.CONFIG),
    "components.ratings_example_gen.without_rows.NotRewrittenError": (
        "Not forgotten",
        exit_codes.BAD_INPUT,
    ),
    "pipeline.list_log.files.ListLogError": ("No log of lists", exit_codes.CONFIG),
    "pipeline.list_log.files.NoListsError": ("No lists", exit_codes.CONFIG),
    "pipeline.off_policy.drawn_lists.NoDrawnListsError": (
        "Nothing to estimate from",
        exit_codes.CONFIG,
    ),
    "pipeline.event_log.store.EventStoreError": ("No events", exit_codes.CONFIG),
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
    "pipeline.served_features.before_retraining.ServedSkewError": (
        "Skew of served features",
        exit_codes.ANOMALIES,
    ),
    "pipeline.recommend.item_titles.UnknownItemError": (
        "No such item",
        exit_codes.CONFIG,
    ),
    "trainer_modules.item_feed.FeedError": ("Bad feed", exit_codes.CONFIG),
    "pipeline.recommend.list_rules.FilterError": ("No such filter", exit_codes.CONFIG),
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
LOG = "marquee.log"  # key in click's meta: the log of the run, if there is one
VERBOSE = "marquee.verbose"


class _Commands(click.Group):
    """Turns every exception into a readable message and an exit status."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Runs the program after preparing the standard streams.

        The process's own arguments are removed once they are read. TFX's steps parse
        them as flags of absl, here and in workers: ``-v`` there takes a number.
        """
        standard_streams.prepare()
        durable_files.forbid_world_writable()
        if not arguments and options.get("args") is None:
            options["args"], sys.argv[1:] = sys.argv[1:], []
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except click.FileError as error:  # a wrong path: click's status would be 1
            raise click.UsageError(error.format_message(), ctx) from error
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort) as stop:
            by = f"{stop.args[0]}. ".capitalize() if stop.args else ""
            _print_error(
                "Stopped", f"{by}Finished steps are kept: run again to continue."
            )
            ctx.exit(exit_codes.SIGNALLED + getattr(stop, "number", signal.SIGINT))
        except Exception as error:
            if isinstance(error, BrokenPipeError) and standard_streams.reader_is_gone():
                standard_streams.silence(sys.stdout)
                ctx.exit(exit_codes.READER_GONE)
            heading, status = _kind(error)
            _print_error(heading, "\n".join(_explanation(ctx, error, status)))
            ctx.exit(status)


def _explanation(ctx: click.Context, error: Exception, status: int) -> Iterator[str]:
    """Yields the lines that explain an error: what happened, and where to look."""
    is_unexpected = status == exit_codes.UNEXPECTED
    yield f"{type(error).__name__}: {error}" if is_unexpected else str(error)
    if _is_full(error):
        yield exit_codes.MAKE_ROOM
    if LOG in ctx.meta:
        yield f"See the log for details: {ctx.meta[LOG]}"
    elif VERBOSE in ctx.meta:
        yield "".join(traceback.format_exception(error))
    elif is_unexpected:
        yield "Run with -v for a traceback."


def _kind(error: Exception) -> tuple[str, int]:
    """Returns the heading and the exit status of an error."""
    for ancestor in type(error).__mro__:
        name = f"{ancestor.__module__}.{ancestor.__qualname__}"
        if name in _FIXABLE:
            return _FIXABLE[name]
    if _is_full(error):
        return "Disk full", exit_codes.FAILED
    return "Unexpected error", exit_codes.UNEXPECTED


def _is_full(error: Exception) -> bool:
    """Returns whether the disk is full, or the user's quota used up."""
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
    """Returns an option for the folder of the runs, with these names."""
    return click.option(
        *names,
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=DEFAULT_OUT,
        show_default=True,
        help="Folder of the runs.",
    )


out_option = _folder_of_runs("--out")
runs_option = _folder_of_runs(
    "--runs", "out"
)  # for commands whose --out is the file to write
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show log messages, and tracebacks of errors.",
)
models_option = click.option(
    "--models",
    metavar="A,B|all",
    shell_complete=completion.models,
    help="Models to train; see 'marquee models'.",
)
config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="YAML file with settings that differ from configs/default.yaml.",
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    shell_complete=completion.settings,
    help="A single setting, e.g. split.kind=temporal. Repeatable.",
)
_COLUMN_FLAGS = {  # flag → section of settings, and help
    "--column": (
        "data.columns",
        "Column of the user_id, item_id, rating or timestamp, by its name in the header"
        " or its number from 0. Columns not given are recognised. Repeatable.",
    ),
    "--item-column": (
        "data.item_columns",
        "Likewise for the item_id or title in the items file.",
    ),
    "--user-column": (
        "data.user_columns",
        "Likewise for the user_id in the users file.",
    ),
}
run_out_option = click.option(
    "--out", metavar="DIR", help=f"Folder of the runs.  [default: {DEFAULT_OUT}]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """Prints JSON; NaN becomes null, since JSON does not support it."""
    import msgspec

    text = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(text, indent=2))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    epilog="\b\nExit status:\n"
    + "\n".join(
        f"  {number}  {meaning}" for number, meaning in exit_codes.MEANINGS.items()
    ),
)
@click.version_option(package_name="marquee")
def main() -> None:
    """Train recommender models on ratings and deploy the best one that passes."""


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that determine how data is read."""
    for flag, (_, text) in reversed(_COLUMN_FLAGS.items()):
        option = click.option(flag, multiple=True, metavar="NAME=COLUMN", help=text)
        command = option(command)
    return settings_option(config_option(command))


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of ``run``, ``retrain`` and ``schedule``."""
    for option in (
        *(verbose_option, run_out_option, capacity_options),
        *(data_options, models_option),
    ):
        command = option(command)
    return command


def read_config(
    data: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    models: str | None = None,
    out: str | None = None,
    jobs: str | None = None,
    max_memory: str | None = None,
    defaults: Mapping[str, str] | None = None,
    **columns: tuple[str, ...],
) -> "PipelineConfig":
    """Returns the configuration that results from a command's options."""
    from pipeline.config import experimental
    from pipeline.config.load import load_config, select_models

    given = {
        "--data": ("data.source", data),
        "--out": ("out", out),
        "--max-memory": ("run.max_memory", max_memory),
    }
    flags = {
        flag: (key, text) for flag, (key, text) in given.items() if text is not None
    }
    if jobs is not None:  # a number, and text in a flag
        settings = (*settings, f"run.jobs={'null' if jobs == 'auto' else jobs}")
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
                message = f"{option!r}: expected NAME=COLUMN, e.g. user_id=member"
                raise click.BadParameter(message, param_hint=flag)
            flags[f"{flag} {option}"] = (f"{section}.{name}", column)
    return flags
