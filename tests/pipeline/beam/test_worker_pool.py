import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def port():
    """Returns a port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(address):
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.beam.worker_pool", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_where_it_is_and_a_second_one_that_the_address_is_taken(port):
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    address = f"127.0.0.1:{port}"
    pool = start(address)
    try:
        assert pool.stdout.readline().strip() == f"workers at {address}"
        with grpc.insecure_channel(address) as channel:
            stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
            answer = stub.StopWorker(
                beam_fn_api_pb2.StopWorkerRequest(worker_id="nobody"), timeout=30
            )
        assert not answer.error
        second = start(address)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 1
        assert f"Cannot listen at {address}; is another pool running?" in said
    finally:
        pool.terminate()
        pool.communicate(timeout=30)
