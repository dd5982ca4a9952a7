"""Shows the progress of a run: a live view, or plain lines for a pipe."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline.runs.step_log import PROGRESS_LOGGER
from pipeline.runs.step_result import StepResult
from pipeline.views.formatting import duration, inert, thousands
from pipeline.views.terminal.reading import reading_facts
from pipeline.views.terminal.side_files import side_facts
from pipeline.views.terminal.tables import fact_grid
from pipeline.views.terminal.terminal import Terminal, error_text

if TYPE_CHECKING:  # TFX takes seconds to import
    from components.ratings_example_gen.recognise.reading import Reading
    from components.ratings_example_gen.side_files.tables import SideTables

_STATES = {  # state → words, style, sign
    "done": ("done", "green", "✓"),
    "cached": ("from cache", "cyan", "✓"),
    "failed": ("failed", "bold red", "✗"),
    "skipped": ("skipped: needs a step that failed", "yellow", "-"),
}
_BAR_WIDTH = 20
_MAX_LINES = 8  # of running steps, with the figures of their epochs


class EpochProgress(msgspec.Struct, frozen=True):
    """An epoch that ended, as ``trainer_modules.progress`` logs it.

    Attributes:
        model: Name of the model.
        epoch: Number of the epoch, from 1.
        epochs: Number of epochs that are planned.
        loss: The training loss; None if it is not known.
        metric: The metric on the eval split; None if it was not measured.
        metric_name: Name of that metric.
        samples_per_second: Training throughput; None if it is not known.
    """

    model: str
    epoch: int
    epochs: int
    loss: float | None = None
    metric: float | None = None
    metric_name: str | None = None
    samples_per_second: float | None = None


@dataclass
class _Running:
    """A step that is running.

    Attributes:
        since: Start of the step, on the monotonic clock.
        epochs: The epochs so far, each with the time of its end.
    """

    since: float
    epochs: list[tuple[float, EpochProgress]] = field(default_factory=list)


class RunView(logging.Handler):
    """Observer of a run that shows the progress of steps, epochs and downloads.

    It is also the handler of the ``marquee.progress`` logger while it is entered.

    Args:
        console: The terminal.
        live: Whether to redraw a region of the terminal rather than print a line for
            each event.
    """

    def __init__(self, console: Terminal, live: bool):
        super().__init__(logging.INFO)
        self._console = console
        self._names: Sequence[str] = ()
        self._waiting: list[str] = []
        self._running: dict[str, _Running] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._between: tuple[str, int, int | None] | None = None
        self._live = (
            Live(
                console=console,
                get_renderable=self._region,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            if live
            else None
        )

    def __enter__(self) -> "RunView":
        """Starts to receive messages and to draw."""
        logger = logging.getLogger(PROGRESS_LOGGER)
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Clears the live region."""
        logging.getLogger(PROGRESS_LOGGER).removeHandler(self)
        self._running, self._waiting, self._between = {}, [], None
        if self._live:
            self._live.stop()

    def steps(self, names: Sequence[str]) -> None:
        """Receives all steps of the run, in order."""
        self._names, self._waiting = names, list(names)

    def progress(self, description: str, done: int, total: int | None) -> None:
        """Shows progress between steps, in bytes (``pipeline.datasets.Progress``)."""
        begins = self._between is None or self._between[0] != description
        self._between = (description, done, total)
        if begins and not self._live:
            self._print(Text(f"  {inert(description)}"))

    def reading(self, reading: "Reading") -> None:
        """Shows how the ratings will be read: what was given, and what was guessed."""
        self._print(fact_grid(reading_facts(reading)))

    def side_files(self, tables: "SideTables") -> None:
        """Shows how the files of items and users will be read."""
        self._print(fact_grid(side_facts(tables)))

    def started(self, name: str) -> None:
        """Shows that a step starts."""
        self._between = None
        self._running[name] = _Running(time.monotonic())
        if name in self._waiting:
            self._waiting.remove(name)
        if not self._live:
            self._print(Text(f"  {self._padded(name)}  started"))

    def ended(self, result: StepResult) -> None:
        """Shows that a step ended or was skipped."""
        self._running.pop(result.name, None)
        if result.name in self._waiting:
            self._waiting.remove(result.name)
        words, style, sign = _STATES[result.state]
        line = Text(f"{sign} {self._padded(result.name)}  ")
        line.append(words, style)
        line.stylize(style, 0, 1)
        if result.state != "skipped":
            line.append(f"{'':{max(0, 12 - len(words))}}{duration(result.seconds):>8}")
        self._print(line)
        if result.error is not None:
            self._print(error_text(str(result.error) or type(result.error).__name__))

    def emit(self, record: logging.LogRecord) -> None:
        """Shows the end of an epoch of a running step, or another message."""
        progress = getattr(record, "progress", None)
        step = getattr(record, "step", "")
        if progress is None:
            source = f"{inert(step)}: " if step and len(self._running) > 1 else ""
            self._print(Text(f"  {source}{inert(record.getMessage())}"))
            return
        epoch = msgspec.convert(progress, EpochProgress)
        # Only steps in workers state their names. Of the others, one runs at a time.
        for name, running in list(self._running.items()):
            if step in ("", name):
                running.epochs.append((time.monotonic(), epoch))
        if not self._live:
            model, place = inert(epoch.model), f"{epoch.epoch}/{epoch.epochs}"
            self._print(Text(f"  {model}: epoch {place}, {_epoch_figures(epoch)}"))

    def _print(self, what: RenderableType) -> None:
        self._console.print(what, soft_wrap=True)

    def _padded(self, name: str) -> str:
        return f"{inert(name):<{max(map(len, self._names), default=0)}}"

    def _region(self) -> RenderableType:
        """Returns the running steps, each in one or two lines, and the waiting ones."""
        lines: list[RenderableType] = []
        if self._between is not None:
            lines.append(_between_steps(self._spinner, *self._between))
        steps = list(self._running.items())  # other threads start and end steps
        with_figures = 2 * len(steps) <= _MAX_LINES
        for name, running in steps[:_MAX_LINES]:
            lines.append(self._running_line(name, running))
            if running.epochs and with_figures:
                lines.append(_one_line(f"  {_epoch_figures(running.epochs[-1][1])}"))
        if len(steps) > _MAX_LINES:
            lines.append(_one_line(f"  and {len(steps) - _MAX_LINES} more"))
        if self._waiting:
            names = ", ".join(map(inert, self._waiting))
            lines.append(_one_line(f"· {len(self._waiting)} waiting: {names}"))
        return Group(*lines)

    def _running_line(self, name: str, running: _Running) -> RenderableType:
        now = time.monotonic()
        cells: list[RenderableType] = [self._spinner, Text(f"{self._padded(name)} ")]
        spent = duration(now - running.since)
        if running.epochs:
            (first_end, first), (last_end, last) = running.epochs[0], running.epochs[-1]
            done, total = last.epoch, last.epochs
            # The first epoch also builds the graph: it is left out as soon as possible.
            if done > first.epoch:
                an_epoch = (last_end - first_end) / (done - first.epoch)
            else:
                an_epoch = (last_end - running.since) / done
            left = max(0.0, (total - done) * an_epoch - (now - last_end))
            spent += f", at most {duration(left)} left"
            cells += [
                ProgressBar(total, done, width=_BAR_WIDTH),
                Text(f"{done}/{total}"),
            ]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(*cells, Text(spent, no_wrap=True))
        return grid


def _one_line(text: str) -> Text:
    return Text(text, "dim", no_wrap=True, overflow="ellipsis")


def _epoch_figures(epoch: EpochProgress) -> str:
    """Returns the figures of an epoch."""
    figures = []
    if epoch.loss is not None:
        figures.append(f"loss {epoch.loss:.4f}")
    if epoch.metric is not None:
        figures.append(f"{inert(epoch.metric_name)} {epoch.metric:.4f}")
    if epoch.samples_per_second is not None:
        figures.append(f"{thousands(epoch.samples_per_second)} samples/s")
    return ", ".join(figures)


def _between_steps(
    spinner: Spinner, description: str, done: int, total: int | None
) -> RenderableType:
    cells: list[RenderableType] = [spinner, Text(inert(description))]
    if total:
        cells.append(ProgressBar(total, done, width=_BAR_WIDTH))
        cells.append(Text(f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"))
    elif done:
        cells.append(Text(f"{done / 1e6:,.1f} MB"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(*cells)
    return grid
