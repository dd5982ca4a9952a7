"""TFX's InfraValidator: queries the model in TensorFlow Serving, as production does.

It needs a Docker daemon, or runs as a step on Kubernetes; ``InfraCheck`` needs neither.
This project has never executed it against either of them (docs/adr/0027).
"""

import contextlib
import importlib.metadata
import json
import os
import socket
from collections.abc import Container
from typing import Any, Literal

import msgspec
from docker import DockerClient
from docker.errors import DockerException
from docker.transport import UnixHTTPAdapter, unixconn
from requests import PreparedRequest
from tfx import types
from tfx import v1 as tfx
from tfx.components.infra_validator import executor
from tfx.dsl.components.base import executor_spec
from tfx.proto import infra_validator_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, kube_utils, path_utils
from urllib3.connection import HTTPConnection

from components.exec_properties import ExecProperties
from components.infra_check.component import CHECKED_FILE, NOTHING_CHOSEN
from components.infra_check.figures import ServingCheck
from trainer_modules import features as f

Platform = Literal["experimental-docker", "experimental-kubernetes"]
# The server of the same release as the client library that the lock holds.
SERVER_TAG = importlib.metadata.version("tensorflow-serving-api")
NUM_EXAMPLES = 10
NUM_TRIES = 2  # a server may be slow to start the first time


class PlatformError(RuntimeError):
    """Raised if no model server can be started, so that the model is not judged."""


class Executor(executor.Executor):
    """Reports why a model was not blessed, and fails if the platform is to blame.

    If Docker does not answer, TFX's executor does not bless the model, and only logs
    the reason. If no model was chosen, it fails.
    """

    def Do(  # noqa: N802 - the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: ExecProperties,
    ) -> None:
        """Queries a model server, and writes ``checked.json`` as InfraCheck does.

        Raises:
            PlatformError: If no model server can be started.
        """
        platform = _platform(json.loads(exec_properties["serving_spec"]))
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        self._problems: list[str] = []
        if tfx.dsl.io.fileio.isdir(path_utils.serving_model_path(model.uri)):
            _require(platform)
            super().Do(input_dict, output_dict, exec_properties)
        else:
            blessing.set_int_custom_property("blessed", 0)
            self._problems.append(NOTHING_CHOSEN)
        is_fit = blessing.get_int_custom_property("blessed") == 1
        verdict = ServingCheck(platform, is_fit, [] if is_fit else self._problems)
        io_utils.write_string_file(
            f"{blessing.uri}/{CHECKED_FILE}",
            json.dumps(msgspec.to_builtins(verdict), indent=1),
        )

    def _ValidateOnce(self, **arguments: Any) -> None:  # noqa: N802 - TFX's name
        try:
            super()._ValidateOnce(**arguments)
        except Exception as error:
            problem = (str(error).strip() or repr(error)).splitlines()[0]
            if problem not in self._problems:
                self._problems.append(problem)
            raise


class InfraValidator(tfx.components.InfraValidator):
    """Loads the model in TensorFlow Serving, and requests rankings of test users."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        platform: Platform,
        seconds: float,
    ):
        """Makes the component.

        Args:
            model: The champion; empty if no model passed the gate.
            examples: Examples, whose test split provides the requests.
            platform: Where the server runs.
            seconds: Time limit for loading the model.
        """
        serving_spec = infra_validator_pb2.ServingSpec(
            tensorflow_serving=infra_validator_pb2.TensorFlowServing(tags=[SERVER_TAG])
        )
        if platform == "experimental-docker":
            serving_spec.local_docker.SetInParent()
        else:
            serving_spec.kubernetes.SetInParent()
        super().__init__(
            model=model,
            examples=examples,
            serving_spec=serving_spec,
            validation_spec=infra_validator_pb2.ValidationSpec(
                max_loading_time_seconds=max(1, int(seconds)), num_tries=NUM_TRIES
            ),
            request_spec=infra_validator_pb2.RequestSpec(
                tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(
                    # The signature that scores test records unchanged.
                    signature_names=["evaluate"]
                ),
                split_name=f.TEST_SPLIT,
                num_examples=NUM_EXAMPLES,
            ),
        )


def _platform(serving_spec: Container[str]) -> Platform:
    if "local_docker" in serving_spec:
        return "experimental-docker"
    return "experimental-kubernetes"


def _require(platform: Platform) -> None:
    """Raises ``PlatformError`` if a server cannot be started on the platform."""
    otherwise = "or check without it, as with --set serving.infra_check=process"
    if platform == "experimental-kubernetes":
        if kube_utils.KFP_POD_NAME not in os.environ:
            raise PlatformError(
                f"serving.infra_check is {platform!r}, and this is not a step of "
                f"Kubeflow Pipelines: run it there, {otherwise}"
            )
        return
    _let_docker_use_its_socket()
    try:
        with contextlib.closing(DockerClient()) as client:
            client.ping()
    except (DockerException, OSError) as error:
        raise PlatformError(
            f"serving.infra_check is {platform!r}, and no Docker daemon answers "
            f"({error}): start it, {otherwise}"
        ) from error


class _SocketConnection(HTTPConnection):
    """Connects to Docker's Unix socket."""

    def __init__(self, base_url: str, unix_socket: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = unix_socket

    def connect(self) -> None:
        """Opens the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _let_docker_use_its_socket() -> None:
    """Adapts docker 4.4, the newest that TFX accepts, to today's requests and urllib3.

    requests 2.32 gets a connection by another method, and without it reports "Not
    supported URL scheme http+docker"; urllib3 2 requires connections of its own class.
    docker 7.1 needs neither.
    """

    def connection(
        self: UnixHTTPAdapter, request: PreparedRequest, *_: Any, **__: Any
    ) -> Any:
        return self.get_connection(request.url)

    UnixHTTPAdapter.get_connection_with_tls_context = connection
    unixconn.UnixHTTPConnection = _SocketConnection
