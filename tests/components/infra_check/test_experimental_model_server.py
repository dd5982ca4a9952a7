"""TFX's InfraValidator with us around it, not executed against Docker or Kubernetes.

What answers here in Docker's place is a few lines of HTTP on a socket.
"""

import http.server
import json
import socketserver
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import path_utils

from components.infra_check.component import CHECKED_FILE
from components.infra_check.experimental_model_server import (
    NUM_TRIES,
    Executor,
    InfraValidator,
    PlatformError,
)


class Ranker(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        return {"rank": tf.strings.length(examples)}


@pytest.fixture
def validate(tmp_path):
    """Runs the executor and returns the blessing and the report beside it."""

    def run(platform, is_chosen=True):
        model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
        blessing = standard_artifacts.InfraBlessing()
        model.uri = str(tmp_path / "model")
        examples.uri, blessing.uri = str(tmp_path / "x"), str(tmp_path / "blessing")
        examples.split_names = '["train", "test"]'
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        if is_chosen:
            ranker = Ranker()
            tf.saved_model.save(
                ranker,
                path_utils.serving_model_path(model.uri),
                signatures={"evaluate": ranker.evaluate},
            )
        split = tmp_path / "x" / "Split-test"
        split.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(split / "data.gz"), "GZIP") as writer:
            writer.write(tf.train.Example().SerializeToString())
        component = InfraValidator(
            channel_utils.as_channel([model]),
            channel_utils.as_channel([examples]),
            platform,
            seconds=5,
        )
        context = Executor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
        Executor(context).Do(
            {"model": [model], "examples": [examples]},
            {"blessing": [blessing]},
            component.exec_properties,
        )
        told = json.loads(Path(blessing.uri, CHECKED_FILE).read_text())
        return blessing.get_int_custom_property("blessed"), told

    return run


@pytest.fixture
def docker_socket(tmp_path, monkeypatch):
    """The path at which Docker is looked for."""
    path = tmp_path / "s"
    monkeypatch.setattr("docker.utils.utils.DEFAULT_UNIX_SOCKET", f"http+unix://{path}")
    return path


@pytest.fixture
def docker_that_is_full(docker_socket):
    """Answers, but cannot create containers; yields the requested paths."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, told):
            asked.append(self.path.split("?")[0])
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):  # noqa: N802 - the name is http.server's
            self.answer(200, {"ApiVersion": "1.39"})

        def do_POST(self):  # noqa: N802
            self.answer(500, {"message": "no space left on device"})

        def address_string(self):
            return "socket"

        def log_message(self, *_):
            """Nothing."""

    with socketserver.UnixStreamServer(str(docker_socket), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


def test_without_docker_the_step_fails_and_says_so(validate, docker_socket):
    with pytest.raises(PlatformError, match=r"no Docker daemon.*infra_check=process"):
        validate("experimental-docker")


def test_outside_of_kubeflow_the_step_fails_and_says_so(validate, monkeypatch):
    monkeypatch.delenv("KFP_POD_NAME", raising=False)
    with pytest.raises(PlatformError, match=r"not a step of Kubeflow.*=process"):
        validate("experimental-kubernetes")


def test_what_docker_says_against_it_is_told_not_executed_against_docker(
    validate, docker_that_is_full
):
    blessed, told = validate("experimental-docker")
    assert blessed == 0
    assert (told["check"], told["blessed"]) == ("experimental-docker", False)
    [problem] = told["problems"]
    assert "no space left on device" in problem
    created = [path for path in docker_that_is_full if path.endswith("/create")]
    assert len(created) == NUM_TRIES


@pytest.mark.parametrize("platform", ["experimental-docker", "experimental-kubernetes"])
def test_where_nothing_was_chosen_no_server_is_asked_for(
    validate, docker_socket, platform
):
    blessed, told = validate(platform, is_chosen=False)
    assert blessed == 0
    assert told == {
        "check": platform,
        "blessed": False,
        "problems": ["nothing was chosen"],
    }
