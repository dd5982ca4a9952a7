"""What is copied to MLflow: settings, metrics and the status of a run; versions.

IDs of users and items are not, so neither is the report, which has some as examples.
Whatever goes wrong is one line of warning.
"""

import contextlib
import datetime
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from components.live_models import trial, version_ledger, versions
from pipeline import exit_codes
from pipeline.config import secrets
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.lineage import NoLineageError, data_fingerprint
from pipeline.mlflow_mirror.rest_api import MlflowServer
from pipeline.runs import finished_runs
from pipeline.runs.code_version import version_of_all
from pipeline.runs.record import RunRecord
from pipeline.runs.step_log import PROGRESS_LOGGER

LIMIT_SECONDS = 30.0  # of all requests, however slowly the server answers
CHAMPION, CHALLENGER = "champion", "challenger"  # aliases of versions
MAX_TEXT = 5000  # characters of a param or tag; MLflow accepts 6,000 and 8,000
_QUERY = re.compile(r"#\S*\s.*", re.DOTALL)  # of a database; it may name users
_NOT_IN_NAMES = re.compile(r"[^\w. :/-]", re.ASCII)


def mirror_run(config: MlflowConfig, record: RunRecord) -> None:
    """Copies a run and the versions to MLflow, or reports in a line why not.

    Args:
        config: The settings; without ``uri``, nothing is done.
        record: The record of the run, which has ended.
    """

    def copy(server: MlflowServer) -> None:
        run = _copy_run(server, config.experiment, record)
        pushed = record.live.version if record.changed else record.on_trial
        made = {int(pushed): run} if pushed else {}
        _copy_versions(server, config.model, Path(record.run.out, "live"), made)

    _attempt(config, copy)


def mirror_versions(config: MlflowConfig, live_folder: Path) -> None:
    """Copies the versions alone, or reports in a line why not.

    Args:
        config: The settings; without ``uri``, nothing is done.
        live_folder: Folder of the versions.
    """
    _attempt(config, lambda to: _copy_versions(to, config.model, live_folder, {}))


def mirror_versions_of(out: Path) -> None:
    """Copies the versions alone if the newest run was copied, or reports why not.

    Args:
        out: Folder of the runs.
    """
    with contextlib.suppress(finished_runs.RunNotFoundError, msgspec.ValidationError):
        config = finished_runs.read(out).section("mlflow", MlflowConfig)
        mirror_versions(config, out / "live")


def _attempt(config: MlflowConfig, copy: Callable[[MlflowServer], None]) -> None:
    """Copies to the server in the time that there is, or reports in a line why not."""
    if config.uri is None:
        return
    uri, problems = config.uri, [f"not finished within {LIMIT_SECONDS:g} s"]

    def work() -> None:
        try:
            copy(MlflowServer(uri))
            problems.clear()
        except Exception as error:  # no run depends on the mirror
            problems[:] = [f"{type(error).__name__}: {error}"]

    # A daemon: the process ends without it. A limit of each request would not do, as a
    # server may send a byte in that time.
    thread = threading.Thread(target=work, name="MLflow", daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    for problem in problems:
        line = " ".join(secrets.masked(problem).split())[:500]
        logging.getLogger(PROGRESS_LOGGER).warning(
            "Warning: MLflow at %s has no complete copy: %s", uri, line
        )


def _copy_run(server: MlflowServer, experiment: str, record: RunRecord) -> str:
    """Copies a run, and returns MLflow's ID of it."""
    started = datetime.datetime.fromisoformat(record.run.started).timestamp()
    run = server.create_run(
        server.experiment(experiment),
        record.run.id,
        int(1000 * started),
        {name: public(text) for name, text in _tags(record).items() if text},
    )
    is_good = record.run.status.exit_status in (exit_codes.OK, exit_codes.REFUSED)
    server.end_run(
        run,
        dict(params(record.config)),
        dict(metrics(record)),
        "FINISHED" if is_good else "FAILED",
        int(1000 * (started + record.run.seconds)),
    )
    return run


def _tags(record: RunRecord) -> dict[str, str]:
    """Returns the tags of a run; "" for what is not known."""
    try:
        data = data_fingerprint(Path(record.run.out), record.run.id)
    except NoLineageError:
        data = ""
    snapshots = record.data.snapshots.values()
    return {
        "marquee.run_id": record.run.id,
        "marquee.status": str(record.run.status),
        "marquee.code_version": version_of_all(),
        "marquee.data": record.data.source,
        "marquee.data_sha256": data,
        "marquee.data_snapshot": "; ".join(map(str, snapshots)),
        "marquee.spans": ", ".join(record.spans.names) if record.spans else "",
        "marquee.live_version": record.live.version or "",
        "marquee.live_model": record.live.model or "",
    }


def params(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the settings as MLflow has them: a dotted name, and a text.

    Args:
        values: The settings, which may be nested.
        prefix: Name of the settings around them, with a dot.
    """
    for key, value in values.items():
        name = prefix + key
        if isinstance(value, Mapping) and value:
            yield from params(value, f"{name}.")
        else:
            yield _name(name), public(str(value))


def metrics(record: RunRecord) -> Iterator[tuple[str, float]]:
    """Yields the figures of each model as ``model/metric``, as far as measured."""
    for model in record.models:
        figures = {
            **model.metrics,
            "parameters": model.parameters,
            "train_seconds": model.train_seconds,
        }
        for name, value in figures.items():
            if value is not None:
                yield _name(f"{model.name}/{name}"), float(value)


def public(text: str) -> str:
    """Returns a text without secrets and queries of databases, of limited length."""
    return _QUERY.sub("#(query)", secrets.masked(text))[:MAX_TEXT]


def _name(text: str) -> str:
    """Returns a name as MLflow accepts it: ndcg_at_10 for ndcg@10, as its own do."""
    return _NOT_IN_NAMES.sub("_", text.replace("@", "_at_"))


def _copy_versions(
    server: MlflowServer, model: str, live_folder: Path, made: Mapping[int, str]
) -> None:
    """Registers the versions that MLflow does not have yet, and moves the aliases.

    So those that were pushed while it was down are copied later.

    Args:
        server: The server.
        model: Name of the registered model.
        live_folder: Folder of the versions.
        made: Number of a version → MLflow's ID of the run that made it.
    """
    known = versions.readable(live_folder)
    if not known:
        return
    in_progress = trial.settled(live_folder).trial
    challengers = versions.readable(versions.challengers(live_folder))
    server.create_model(model)
    # The ID of the folder, because versions of another one have the same numbers.
    source = f"marquee://{version_ledger.read_ledger(live_folder).folder}/"
    mirrored = {
        int(found["source"].removeprefix(source)): found
        for found in server.model_versions(model)
        if found["source"].startswith(source)
    }
    for version in (*known, *challengers):
        if version.number not in mirrored:
            restored = mirrored.get(version.restored or 0, {})
            run = made.get(version.number) or restored.get("run_id")
            mirrored[version.number] = server.create_version(
                model, f"{source}{version.number}", run, _version_tags(version)
            )
    numbers = {n: found["version"] for n, found in mirrored.items()}
    on_trial = in_progress.version if in_progress else None
    _move_aliases(server, model, numbers, known[-1].number, on_trial)


def _version_tags(version: versions.Version) -> dict[str, str]:
    tags = {
        "marquee.version": str(version.number),
        "marquee.model": version.model,
        "marquee.pushed": version.pushed,
    }
    if version.restored:
        tags["marquee.restored"] = str(version.restored)
    return tags


def _move_aliases(
    server: MlflowServer,
    model: str,
    mirrored: Mapping[int, str],
    champion: int,
    challenger: int | None,
) -> None:
    """Moves the aliases to the live version and to the one on trial.

    Args:
        server: The server.
        model: Name of the registered model.
        mirrored: Number of a version → MLflow's number of it.
        champion: Number of the live version.
        challenger: Number of the version on trial; None if there is none.
    """
    server.set_alias(model, CHAMPION, mirrored[champion])
    on_trial = None if challenger is None else mirrored[challenger]
    server.set_alias(model, CHALLENGER, on_trial)
