"""The calls of MLflow's REST API 2.0 that the mirror needs.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import requests

REQUEST_SECONDS = 10.0  # to connect, and between two pieces of an answer
PARAMS_AT_ONCE = 100  # of a request; MLflow accepts no more

Tags = Mapping[str, str]


class MlflowError(RuntimeError):
    """The server refused a request."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


class MlflowServer:
    """A server of MLflow."""

    def __init__(self, uri: str):
        """Prepares requests, with the account that MLflow's own variables name.

        Args:
            uri: Address of the server, without an account.
        """
        self._api = f"{uri.rstrip('/')}/api/2.0/mlflow"
        self._session = requests.Session()
        if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
            password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
            self._session.auth = (user, password)
        elif token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            self._session.headers["Authorization"] = f"Bearer {token}"

    def experiment(self, name: str) -> str:
        """Returns the ID of an experiment, after creating it if there is none."""
        try:
            found = self._get("experiments/get-by-name", experiment_name=name)
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return str(self._post("experiments/create", name=name)["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    def create_run(self, experiment: str, name: str, started: int, tags: Tags) -> str:
        """Starts a run, and returns MLflow's ID of it.

        Args:
            experiment: ID of the experiment.
            name: Name of the run.
            started: Start of the run, in milliseconds UTC.
            tags: Tags by name.
        """
        created = self._post(
            "runs/create",
            experiment_id=experiment,
            run_name=name,
            start_time=started,
            tags=_pairs(tags),
        )
        return str(created["run"]["info"]["run_id"])

    def end_run(
        self,
        run: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        status: str,
        ended: int,
    ) -> None:
        """Writes what a run had and measured, and that it has ended.

        Args:
            run: MLflow's ID of the run.
            params: Settings by name.
            metrics: Metrics by name.
            status: ``FINISHED`` or ``FAILED``.
            ended: End of the run, in milliseconds UTC.
        """
        pairs = _pairs(params)
        for start in range(0, len(pairs), PARAMS_AT_ONCE):
            some = pairs[start : start + PARAMS_AT_ONCE]
            self._post("runs/log-batch", run_id=run, params=some)
        measured = [
            {"key": key, "value": value, "timestamp": ended, "step": 0}
            for key, value in metrics.items()
        ]
        self._post("runs/log-batch", run_id=run, metrics=measured)
        self._post("runs/update", run_id=run, status=status, end_time=ended)

    def create_model(self, name: str) -> None:
        """Creates a registered model, unless there is one."""
        try:
            self._post("registered-models/create", name=name)
        except MlflowError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise

    def model_versions(self, model: str) -> Iterator[dict[str, Any]]:
        """Yields the versions of a registered model."""
        page: str | None = ""
        while page is not None:
            query = {"filter": f"name = '{model}'", "page_token": page}
            found = self._get("model-versions/search", **query)
            yield from found.get("model_versions", ())
            page = found.get("next_page_token") or None

    def create_version(
        self, model: str, source: str, run: str | None, tags: Tags
    ) -> dict[str, Any]:
        """Creates a version of a registered model, and returns it.

        Args:
            model: Name of the registered model.
            source: Where the files of the version are.
            run: MLflow's ID of the run that made it; None if it is not known.
            tags: Tags by name.
        """
        created: dict[str, Any] = self._post(
            "model-versions/create",
            **{"name": model, "source": source, "tags": _pairs(tags)},
            **({"run_id": run} if run else {}),
        )["model_version"]
        return created

    def set_alias(self, model: str, alias: str, version: str | None) -> None:
        """Moves an alias to a version of a registered model; None removes it."""
        path, of_model = "registered-models/alias", {"name": model, "alias": alias}
        if version is None:
            self._call("DELETE", path, json=of_model)
        else:
            self._post(path, **of_model, version=version)

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        return self._call("GET", path, params=query)

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
            MlflowError: If the server refuses it.
            requests.RequestException: If the answer is missing or not JSON.
        """
        answer = self._session.request(
            method, f"{self._api}/{path}", timeout=REQUEST_SECONDS, **content
        )
        if answer.ok:
            return dict(answer.json())
        try:
            problem = dict(answer.json())
        except ValueError:  # a proxy's page, or a server of something else
            problem = {}
        raise MlflowError(
            problem.get("error_code", str(answer.status_code)),
            problem.get("message", answer.reason),
        )


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
