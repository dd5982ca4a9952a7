"""The last task of a run on Kubeflow Pipelines: fails it if a step did not succeed.

``python -m kubeflow.verdict`` queries the metadata store, because the pod of a step
whose failure does not stop the run succeeds in any case. If ``MARQUEE_WEBHOOK_URL`` is
set, it also reports the failure to that webhook. It imports neither TFX nor the
pipeline.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Collection, Mapping
from typing import TypedDict

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from kubeflow import notify

_SUCCESS = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)


class Requirement(TypedDict):
    """The steps that must have succeeded before another can run.

    Attributes:
        needs: Names of steps that must all have succeeded.
        unions: Groups of names. At least one step of each group must have succeeded.
    """

    needs: list[str]
    unions: list[list[str]]


def succeeded(store_config: str, run_id: str) -> set[str]:
    """Returns the steps of a run whose outputs exist, computed or from the cache.

    Args:
        store_config: Value of TFX's ``--kubeflow_metadata_config``.
        run_id: Name of the run in the metadata store.
    """
    store = MetadataStore(_connection(json.loads(store_config)))
    run = store.get_context_by_type_and_name("pipeline_run", run_id)
    if run is None:
        return set()
    found = set()
    for execution in store.get_executions_by_context(run.id):
        if execution.last_known_state in _SUCCESS:
            contexts = store.get_contexts_by_execution(execution.id)
            # A node's context is named "pipeline.step".
            found |= {c.name.split(".", 1)[1] for c in contexts if c.type == "node"}
    return found


def missing(requirement: Requirement, done: Collection[str]) -> str | None:
    """Returns the step whose failure keeps another from running; None if none does."""
    for name in requirement["needs"]:
        if name not in done:
            return name
    for union in requirement["unions"]:
        if not set(union) & set(done):
            return "each of " + ", ".join(union)
    return None


def judged(
    steps: Mapping[str, Requirement], done: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the steps that failed and those that were not run, each with a reason."""
    failed, not_run = {}, {}
    for name, requirement in steps.items():
        if name in done:
            continue
        if cause := missing(requirement, done):
            not_run[name] = f"not run, because {cause} did not succeed"
        else:
            failed[name] = "failed; its log has the reason"
    return failed, not_run


def main(run_id: str, store_config: str, steps: Mapping[str, Requirement]) -> int:
    """Prints and reports the verdict; returns the exit status of the pod."""
    try:
        done = succeeded(store_config, run_id)
    except Exception as error:
        traceback.print_exc()
        _report(run_id, "Unknown", {"verdict": f"the metadata store: {error}"})
        return 1
    failed, not_run = judged(steps, done)
    for name, reason in (failed | not_run).items():
        print(f"{name}: {reason}")
    if not failed and not not_run:
        print(f"All {len(steps)} steps succeeded.")
        return 0
    _report(run_id, "Failed", failed | not_run)
    return 1


def _report(run_id: str, status: str, failed: Mapping[str, str]) -> None:
    if notify.URL in os.environ:
        notify.send(run_id, status, failed)


def _connection(config: Mapping[str, Mapping[str, str]]) -> mlmd.ConnectionConfig:
    """Returns the connection that TFX's own entry point would make."""

    def value(field: str) -> str:
        given = config[field]
        return given.get("value") or os.environ[given["environmentVariable"]]

    connection = mlmd.ConnectionConfig()
    mysql = connection.mysql
    mysql.host, mysql.port = (
        value("mysqlDbServiceHost"),
        int(value("mysqlDbServicePort")),
    )
    mysql.database = value("mysqlDbName")
    mysql.user, mysql.password = value("mysqlDbUser"), value("mysqlDbPassword")
    return connection


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--run_id", required=True)
    parser.add_argument("--kubeflow_metadata_config", required=True)
    parser.add_argument("--steps", required=True, type=json.loads)
    given = parser.parse_args()
    sys.exit(main(given.run_id, given.kubeflow_metadata_config, given.steps))
