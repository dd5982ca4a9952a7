"""What a person sees of a run: its steps while they run, and what came of it.

A terminal gets a live view, anything else plain lines. What TensorFlow, Beam and TFX
say meanwhile goes to a log, from Python and C++ alike (``captured_output``). Texts that
come from data or errors are shown as they are: no markup, no control characters.
"""

import contextlib
import datetime
import logging
import math
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from absl import logging as absl_logging
from rich import box
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.pusher.versions import Version, VersionError, verify

if TYPE_CHECKING:  # TFX takes seconds to import
    from components.ratings_example_gen.inspection import DataSummary
    from pipeline.local_runner import StepResult
    from pipeline.recommending import Answer
    from pipeline.schedule import Entry, Schedule

PROGRESS_LOGGER = "marquee.progress"
# A narrow terminal leaves the last of them out.
LEADERBOARD_METRICS = (
    "ndcg@10",
    "hit_rate@10",
    "mrr",
    "coverage@10",
    "recall@10",
    "precision@10",
    "mean_rank_auc",
)
_INTERVAL_WIDTH = len("0.1234–0.5678")
_STATES = {  # state → words, style, sign
    "done": ("done", "green", "✓"),
    "cached": ("from cache", "cyan", "✓"),
    "failed": ("failed", "bold red", "✗"),
    "skipped": ("skipped: needs a step that failed", "yellow", "-"),
}
_VERDICT_STYLES = {
    "live": "bold green",
    "passed": "green",
    "reference": "cyan",
    "refused": "yellow",
    "failed": "bold red",
}
_ERROR_LINES = 20  # of a step's error; the log has all of it
_LIKES_SHOWN = 5
_BAR_WIDTH = 20


def inert(text: object) -> str:
    r"""One line that cannot move the cursor, colour or reorder what is around it.

    Control, formatting and unpaired surrogate characters become ``\x1b`` and the like.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


class Terminal(Console):
    """A console that asks its own file for the size: fd 1 may be a log by now."""

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        if self._width is None and self.is_terminal:
            with contextlib.suppress(OSError, ValueError):
                columns, lines = os.get_terminal_size(self.file.fileno())
                if columns and lines:
                    return ConsoleDimensions(columns, lines)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


def open_console(file: IO[str] | None = None, width: int | None = None) -> Terminal:
    """A console on a file (else standard output) that reads nothing into a text."""
    return Terminal(file=file, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def captured_output(log: Path, verbose: bool = False) -> Iterator[Terminal]:
    """Sends all that the process writes to a log, and yields the person's console.

    That includes what C++ writes to file descriptors 1 and 2. Python's loggers write
    there with times, from INFO on. At the end everything is as it was before.

    Args:
      log: the file; appended to.
      verbose: show on standard error what is logged, too.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with contextlib.ExitStack() as undo:
        log_file = undo.enter_context(log.open("a", encoding="utf-8", buffering=1))
        saved = {fd: os.dup(fd) for fd in (1, 2)}
        for copy in saved.values():
            undo.callback(os.close, copy)
        person = undo.enter_context(
            open(saved[1], "w", encoding=sys.stdout.encoding, errors="replace",
                 closefd=False)
        )  # fmt: skip
        if verbose:
            undo.enter_context(_followed(log, saved[2]))
        undo.callback(root.setLevel, level)
        undo.callback(root.handlers.__setitem__, slice(None), handlers)
        undo.callback(_point, saved)
        _point(dict.fromkeys(saved, log_file.fileno()))
        # Streams that keep no line back. They are never closed: a library that takes
        # one for its logger may write to it, and so to the person, after the run.
        undo.enter_context(contextlib.redirect_stdout(_line_by_line(1)))
        undo.enter_context(contextlib.redirect_stderr(_line_by_line(2)))
        handler = logging.StreamHandler(log_file)
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
        )
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        # TFX's own level, which TensorFlow may have set since.
        undo.callback(absl_logging.set_verbosity, absl_logging.get_verbosity())
        absl_logging.set_verbosity(absl_logging.INFO)
        yield open_console(person)


def _line_by_line(fd: int) -> IO[str]:
    return open(fd, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)


def _point(targets: Mapping[int, int]) -> None:
    """Lets file descriptors write to where others do, after what they still hold."""
    sys.stdout.flush()
    sys.stderr.flush()
    for fd, target in targets.items():
        os.dup2(target, fd)


@contextlib.contextmanager
def _followed(log: Path, target: int) -> Iterator[None]:
    """Copies what is added to a file to a file descriptor, as it comes."""
    finished = threading.Event()

    def follow() -> None:
        with log.open("rb") as added:
            added.seek(0, os.SEEK_END)
            ready.set()
            last = False
            while not last:
                last = finished.wait(0.1)
                while chunk := added.read(1 << 16):
                    os.write(target, chunk)

    ready = threading.Event()
    thread = threading.Thread(target=follow, name="log on standard error", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        finished.set()
        thread.join()


class RunView(logging.Handler):
    """The observer of a run: shows steps, epochs and downloads as they go.

    It is also the handler of the ``marquee.progress`` logger while it is entered.

    Args:
      console: where to show.
      live: redraw a region of the terminal; else print a line for each event.
    """

    def __init__(self, console: Terminal, live: bool):
        super().__init__(logging.INFO)
        self._console = console
        self._names: Sequence[str] = ()
        self._waiting: list[str] = []
        self._running: str | None = None
        self._since = 0.0
        self._epochs: list[tuple[float, Mapping[str, Any]]] = []  # with their ends
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
        """Starts to listen and to draw."""
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
        """Clears the live region, whatever happened."""
        logging.getLogger(PROGRESS_LOGGER).removeHandler(self)
        self._running, self._waiting, self._between = None, [], None
        if self._live:
            self._live.stop()

    def steps(self, names: Sequence[str]) -> None:
        """All steps of the run, in order."""
        self._names, self._waiting = names, list(names)

    def progress(self, description: str, done: int, total: int | None) -> None:
        """What goes on between steps; in bytes (``pipeline.datasets.Progress``)."""
        begins = self._between is None or self._between[0] != description
        self._between = (description, done, total)
        if begins and not self._live:
            self._print(Text(f"  {inert(description)}"))

    def started(self, name: str) -> None:
        """A step begins."""
        self._between = None
        self._running, self._since, self._epochs = name, time.monotonic(), []
        if name in self._waiting:
            self._waiting.remove(name)
        if not self._live:
            self._print(Text(f"  {self._padded(name)}  started"))

    def ended(self, result: "StepResult") -> None:
        """A step is over, or was skipped."""
        self._running = None
        if result.name in self._waiting:
            self._waiting.remove(result.name)
        words, style, sign = _STATES[result.state]
        line = Text(f"{sign} {self._padded(result.name)}  ")
        line.append(words, style)
        line.stylize(style, 0, 1)
        if result.state != "skipped":
            line.append(f"{'':{max(0, 12 - len(words))}}{_duration(result.seconds):>8}")
        self._print(line)
        if result.error is not None:
            self._print(error_text(str(result.error) or type(result.error).__name__))

    def emit(self, record: logging.LogRecord) -> None:
        """An epoch of the running step is over, or something else is worth saying."""
        epoch: Mapping[str, Any] = getattr(record, "progress", {})
        if not epoch:
            self._print(Text(f"  {inert(record.getMessage())}"))
            return
        self._epochs.append((time.monotonic(), epoch))
        if not self._live:
            model, place = inert(epoch["model"]), f"{epoch['epoch']}/{epoch['epochs']}"
            self._print(Text(f"  {model}: epoch {place}, {_epoch_figures(epoch)}"))

    def _print(self, what: RenderableType) -> None:
        self._console.print(what, soft_wrap=True)

    def _padded(self, name: str) -> str:
        return f"{inert(name):<{max(map(len, self._names), default=0)}}"

    def _region(self) -> RenderableType:
        """The running step and what waits, at most three lines."""
        lines: list[RenderableType] = []
        if self._between is not None:
            lines.append(_between_steps(self._spinner, *self._between))
        if self._running is not None:
            lines.append(self._running_line(self._running))
            if self._epochs:
                lines.append(_one_line(f"  {_epoch_figures(self._epochs[-1][1])}"))
        if self._waiting:
            names = ", ".join(map(inert, self._waiting))
            lines.append(_one_line(f"· {len(self._waiting)} waiting: {names}"))
        return Group(*lines)

    def _running_line(self, name: str) -> RenderableType:
        now = time.monotonic()
        cells: list[RenderableType] = [self._spinner, Text(f"{self._padded(name)} ")]
        spent = _duration(now - self._since)
        if self._epochs:
            (first_end, first), (last_end, last) = self._epochs[0], self._epochs[-1]
            done, total = last["epoch"], last["epochs"]
            # The first epoch also builds the graph: leave it out as soon as possible.
            if done > first["epoch"]:
                an_epoch = (last_end - first_end) / (done - first["epoch"])
            else:
                an_epoch = (last_end - self._since) / done
            left = max(0.0, (total - done) * an_epoch - (now - last_end))
            spent += f", at most {_duration(left)} left"
            cells += [
                ProgressBar(total, done, width=_BAR_WIDTH),
                Text(f"{done}/{total}"),
            ]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(*cells, Text(spent, no_wrap=True))
        return grid


# What may be odd about spans -> how it is said.
_ODD_SPANS = {
    "late": "late, and taken in:",
    "too_late": "late, from before the window, and left out:",
    "unfinished": "not yet whole, and left out:",
    "empty": "empty:",
    "missing": "a span may be missing",
    "gone": "taken in once, and gone:",
}


def print_run(console: Terminal, run: Mapping[str, Any]) -> None:
    """Prints what came of a run.

    Args:
      console: where to.
      run: the object of ``run.json``.
    """
    for part in (
        _headline(run),
        _rows(run["rows"]),
        _spans(run.get("spans")),
        _failed_steps(run["steps"]),
        _leaderboard(run["models"], console.width),
        _sample_of_users(run["models"]),
        _verdicts(run["models"]),
        _live(run),
        _next_commands(run),
    ):
        if part is not None:
            console.print()
            console.print(part)
    console.print()


def _headline(run: Mapping[str, Any]) -> RenderableType:
    about, data = run["run"], run["data"]
    line = Text()
    line.append(f"Run {inert(about['id'])}", "bold")
    line.append(f"  {inert(about['status'])}, {_duration(about['seconds'])}\n")
    line.append(inert(data["source"]), "bold")
    facts = [_count(data, "users"), _count(data, "items"), _count(data, "ratings")]
    if data.get("sparsity") is not None:
        facts.append(f"{data['sparsity']:.2%} of all pairs unrated")
    if data.get("first") and data.get("last"):
        facts.append(f"{inert(data['first'])[:10]} to {inert(data['last'])[:10]}")
    line.append("  " + ", ".join(fact for fact in facts if fact))
    return line


def _count(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else f"{value:,} {name}"


def _rows(rows: Mapping[str, Any] | None) -> RenderableType | None:
    if not rows or rows.get("read") is None:
        return None
    parts = " + ".join(
        f"{rows[name]:,} {name}"
        for name in ("kept", "quarantined", "duplicates", "truncated")
    )
    return Text.assemble(("Rows", "bold"), f"  {rows['read']:,} read = {parts}")


def print_nothing_new(
    console: Terminal, spans: Mapping[str, Any], last: Mapping[str, Any]
) -> None:
    """Prints that a retraining has nothing to learn.

    Args:
      console: where to.
      spans: the window, as ``run.json`` has it.
      last: the retraining that learned from the same.
    """
    console.print(_spans(spans))
    console.print(
        Text(
            f"Nothing new since run {inert(last['run'])} ({inert(last['status'])}); "
            "nothing was done."
        )
    )


def _spans(spans: Mapping[str, Any] | None) -> RenderableType | None:
    """What was taken in, and what is odd about it."""
    if not spans:
        return None
    names = [inert(name) for name in spans["names"]]
    told = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    lines = [
        Text.assemble(
            ("Spans", "bold"), f"  {told}: {len(names)}, {len(spans['new'])} new"
        )
    ]
    drift = spans.get("drift") or {}
    warnings = [
        *(
            f"{what} {', '.join(map(inert, spans[key]))}"
            for key, what in _ODD_SPANS.items()
            if spans[key]
        ),
        *(
            f"{each['ratings']:,} ratings of {inert(each['spans'][0])} stand in "
            f"{inert(each['spans'][1])} again; one of each is kept"
            for each in spans.get("overlaps", [])
        ),
        *(
            f"drift since {inert(drift['live_span'])}: {each['feature']} "
            f"{each['value']:.3f}, allowed {each['threshold']:g}"
            for each in drift.get("measured", [])
            if each["is_drift"]
        ),
    ]
    if drift.get("not_compared"):
        warnings.append(f"drift not measured: {inert(drift['not_compared'])}")
    lines += [Text(f"  {warning}", "yellow") for warning in warnings]
    return Group(*lines)


def _failed_steps(steps: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    lines: list[RenderableType] = []
    for step in steps:
        if step["state"] == "failed":
            lines.append(Text(f"✗ {inert(step['name'])} failed", "bold red"))
            lines.append(error_text(str(step.get("error") or "see the log")))
    return Group(*lines) if lines else None


def _leaderboard(
    models: Sequence[Mapping[str, Any]], width: int
) -> RenderableType | None:
    """The models that have figures, the best first."""
    judged = [model for model in models if model.get("metrics")]
    if not judged:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("model", no_wrap=True)
    # Model, auc, seconds and parameters are always there, each with a margin of 2.
    taken = max(len(inert(model["name"])) for model in judged) + 6 + 7 + 10 + 4 * 2
    first = LEADERBOARD_METRICS[0]
    has_intervals = any(first in (model.get("intervals") or {}) for model in judged)
    taken += (_INTERVAL_WIDTH + 2) * has_intervals
    metrics: list[str] = []
    for metric in LEADERBOARD_METRICS:
        taken += max(6, *map(len, metric.split("@"))) + 2
        if taken <= width and any(metric in model["metrics"] for model in judged):
            metrics.append(metric)
    for metric in (*metrics, "auc"):
        table.add_column(metric.replace("@", "\n@"), justify="right", no_wrap=True)
        if metric == first and has_intervals:
            table.add_column("interval", justify="right", no_wrap=True)
    for name in ("train", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in sorted(judged, key=_best_first):
        table.add_row(
            Text(inert(model["name"]), _VERDICT_STYLES.get(model["verdict"], "")),
            *_figures(model, (*metrics, "auc"), first if has_intervals else None),
            Text(_optional(model.get("train_seconds"), _duration)),
            Text(_optional(model.get("parameters"), "{:,}".format)),
        )
    return table


def _figures(
    model: Mapping[str, Any], metrics: Sequence[str], with_interval: str | None
) -> Iterator[Text]:
    """Cells of the metrics; one of them has its interval behind it."""
    for name in metrics:
        yield Text(_figure(model["metrics"].get(name)))
        if name == with_interval:
            ends = (model.get("intervals") or {}).get(name, [])
            yield Text("–".join(_figure(end) for end in ends), "dim")


def _sample_of_users(models: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    """Says so where not all users were judged on."""
    sampled = [m for m in models if (m.get("share_of_users") or 1) < 1 and m["metrics"]]
    if not sampled:
        return None
    metric = LEADERBOARD_METRICS[0]
    errors = [m["metrics"].get(f"{metric}_standard_error") for m in sampled]
    worst = max((error for error in errors if error is not None), default=None)
    users, share = sampled[0]["metrics"]["num_users"], sampled[0]["share_of_users"]
    return Text(
        f"Judged on a sample of {users:,.0f} users ({share:.0%}): the standard "
        f"error of {metric} is {_figure(worst)} at most. "
        "evaluation.max_scored_pairs decides."
    )


def _best_first(model: Mapping[str, Any]) -> float:
    value = model["metrics"].get(LEADERBOARD_METRICS[0])
    return math.inf if value is None or math.isnan(value) else -value


def _verdicts(models: Sequence[Mapping[str, Any]]) -> RenderableType | None:
    """Each model's verdict, with the rule that decided it."""
    if not models:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in ("verdict", "model"):
        table.add_column(name, no_wrap=True)
    table.add_column("rule", overflow="fold")
    for model in models:
        verdict = model.get("verdict") or model["state"]
        table.add_row(
            Text(inert(verdict), _VERDICT_STYLES.get(verdict, "")),
            Text(inert(model["name"])),
            Text(inert(model.get("rule") or "")),
        )
    return table


def print_versions(console: Console, versions: Sequence[Version], out: Path) -> None:
    """The newest first; the files of each are compared with their checksums."""
    if not versions:
        console.print(f"No model was ever live in {inert(str(out))}.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("version", "model", "live since"):
        table.add_column(name, no_wrap=True)
    table.add_column("files")
    for version in reversed(versions):
        is_live = version is versions[-1]
        restored = f", of version {version.restored}" if version.restored else ""
        table.add_row(
            Text(str(version.number)),
            Text(f"{inert(version.model)}{restored}", "bold green" if is_live else ""),
            Text(version.pushed),
            _files(version.folder),
        )
    console.print(table)
    console.print("\nmarquee rollback [VERSION] makes an older one live again.")


def print_schedule(console: Console, schedule: "Schedule", log: Path) -> None:
    """What a scheduler says when it starts: the next firings, and where its log is."""
    now = datetime.datetime.now(datetime.timezone.utc)
    coming = ", ".join(map(schedule.local, schedule.next(now, 3)))
    console.print(Text.assemble(("Next", "bold"), f"  {coming}"), soft_wrap=True)
    console.print(Text.assemble(("Log", "bold"), f"   {inert(log)}"), soft_wrap=True)


def print_firing(console: Console, entry: "Entry") -> None:
    """One line on a firing that is over."""
    line = f"{entry.local(entry.due)}  {_firing_words(entry)}"
    console.print(Text(line), soft_wrap=True)


def _firing_words(entry: "Entry") -> str:
    """What came of a firing, and for which others it stands."""
    words = inert(entry.verdict or "at work")
    if entry.event == "skipped":
        return words + (f", with {entry.missed} before it" if entry.missed else "")
    if entry.is_late:
        words += f"; began {_duration(entry.late_seconds)} late"
    if entry.missed:
        words += f"; in place of {entry.missed} missed before it, too"
    return words


def print_answer(console: Console, answer: "Answer") -> None:
    """A user's list from the live model."""
    told = Text.assemble((f"User {inert(answer.user)}", "bold"))
    if answer.known:
        told.append(f"  {answer.rated:,} rated, {len(answer.liked):,} liked")
    else:
        told.append("  not among the ratings: ", "yellow")
        told.append("what the likes say" if answer.liked else "what is liked most")
    told.append(f"\nasked: {inert(answer.model)}, version {answer.version}")
    if answer.liked:
        shown = "; ".join(answer.liked[-_LIKES_SHOWN:])
        told.append(f"\nliked last: {inert(shown)}")
    console.print(told)
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    has_reasons = any(item.reasons for item in answer.items)
    if has_reasons:
        table.add_column("liked together with", overflow="fold")
    for place, item in enumerate(answer.items, start=1):
        reasons = "; ".join(
            f"{reason.title} ({reason.users:,} users)" for reason in item.reasons
        )
        cells = [str(place), inert(item.title), f"{item.score:.4f}"]
        table.add_row(*map(Text, [*cells, inert(reasons)] if has_reasons else cells))
    console.print(table)


def print_firings(console: Console, entries: Sequence["Entry"], out: Path) -> None:
    """The last firings of a schedule, the newest first."""
    if not entries:
        console.print(f"Nothing was due yet in {inert(str(out))}.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("due", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for entry in reversed(entries):
        table.add_row(
            Text(inert(entry.local(entry.due))),
            Text(_took(entry)),
            Text(inert(entry.run or "-")),
            Text(_firing_words(entry)),
        )
    console.print(table)


def _took(entry: "Entry") -> str:
    if entry.started is None or entry.ended is None:
        return "-"
    return _duration((entry.ended - entry.started).total_seconds())


def _files(folder: Path) -> Text:
    """Whether a version is as it was pushed."""
    try:
        verify(folder)
    except VersionError as error:
        return Text(f"not as pushed: {error}", "bold red", overflow="fold")
    return Text("as pushed")


def _live(run: Mapping[str, Any]) -> RenderableType:
    live = run["live"]
    line = Text()
    if why := run.get("not_pushed"):
        line.append(f"The champion was not pushed: {inert(why)}.\n", "yellow")
    if live.get("version") is None:
        line.append("No model is live", "bold")
        return line.append(": none has passed in this folder yet.")
    line.append(f"{inert(live.get('model'))} is live", "bold green")
    line.append(
        ", " + ("new in this run" if run.get("changed") else "as before") + ": "
    )
    return line.append(inert(Path(run["run"]["out"], "live", str(live["version"]))))


def _next_commands(run: Mapping[str, Any]) -> RenderableType:
    """What a person may want to do now."""
    about = run["run"]
    where = (
        "" if about["out"] == "marquee-out" else f" --out {shlex.quote(about['out'])}"
    )
    commands = [
        (f"marquee show{where}", "this again; with --json for programs"),
        (f"tensorboard --logdir {shlex.quote(about['out'])}", "the training curves"),
    ]
    if run["data"]["source"] == "sample":
        commands.insert(1, ("marquee run --data ml-1m", "the same with real ratings"))
        commands.insert(2, ("marquee data PATH", "look at ratings of your own"))
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(style="dim")
    for command, purpose in commands:
        grid.add_row(Text(f"  {inert(command)}"), Text(purpose))
    log = Text.assemble(("Log", "bold"), f"  {inert(about['log'])}")
    return Group(Text("Next", "bold"), grid, Text(), log)


def error_text(message: str, most: int = _ERROR_LINES) -> Text:
    """An error's own lines, indented and inert; those after the most are cut."""
    lines = message.strip().splitlines()
    shown = [f"    {inert(line)}" for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"    ... {len(lines) - most} more lines in the log")
    return Text("\n".join(shown))


def _one_line(text: str) -> Text:
    return Text(text, "dim", no_wrap=True, overflow="ellipsis")


def _epoch_figures(epoch: Mapping[str, Any]) -> str:
    """What is known of an epoch."""
    figures = []
    if epoch.get("loss") is not None:
        figures.append(f"loss {epoch['loss']:.4f}")
    if epoch.get("metric") is not None:
        figures.append(f"{inert(epoch['metric_name'])} {epoch['metric']:.4f}")
    if epoch.get("samples_per_second") is not None:
        figures.append(f"{_thousands(epoch['samples_per_second'])} samples/s")
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


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _optional(value: Any, show: Callable[[Any], str]) -> str:
    return "-" if value is None else show(value)


def _thousands(value: float) -> str:
    """1.2 M, 340 k or 12."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def _duration(seconds: float) -> str:
    """2.8 s, 28 s, 3:05 min or 1:02:05 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02} min"
    return f"{hours}:{minutes:02}:{rest:02} h"


def print_data(console: Terminal, summary: "DataSummary") -> None:
    """Prints what a look at ratings found (``marquee data``)."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    bad = sum(summary.bad_by_kind.values())
    facts = {
        "Layout": summary.layout,
        "Files": ", ".join(map(str, summary.files)),
        "Items": summary.items_file,
        "Users": summary.users_file,
        "Rows": f"{summary.read:,} read, {summary.kept:,} kept, {bad:,} bad",
        "Counts": f"{summary.users:,} users, {summary.items:,} items",
        "Sparsity": _optional(summary.sparsity, "{:.2%} of all pairs unrated".format),
        "Ratings": f"{summary.rating_min} to {summary.rating_max}",
        "Dates": (
            f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} UTC"
            if summary.first
            else "none"
        ),
    }
    for name, fact in facts.items():
        if fact is not None:
            grid.add_row(name, Text(inert(fact)))
    console.print(grid)
    if bad:
        kinds = ", ".join(
            f"{count:,} {kind.replace('_', ' ')}"
            for kind, count in summary.bad_by_kind.items()
        )
        console.print(Text(f"\n{bad:,} bad rows: {inert(kinds)}", "bold red"))
        console.print(error_text("\n".join(summary.first_problems)), soft_wrap=True)
