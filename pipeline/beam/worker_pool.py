"""Beam workers that stay: ``python -m pipeline.beam.worker_pool localhost:50000``.

One runs beside each of Flink's TaskManagers (on Kubernetes as a side-car), never one
for two: both would ask it for a worker of the same name. A worker is a thread here, so
TensorFlow is imported once, and not by every stage of every step.
"""

import importlib
import logging

import apache_beam.internal.pickler
import click
import grpc
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import (
    BeamFnExternalWorkerPoolServicer,
)
from apache_beam.utils import thread_pool_executor

# Of side inputs that a worker keeps between bundles.
STATE_CACHE_BYTES = 256 << 20
# What the functions of the steps import, before the first of them is waited for.
_IMPORTED_BY_STEPS = ("tfx.components", "components.ranking_metrics.extractors")


@click.command()
@click.argument("address")
def main(address: str) -> None:
    """Serves workers at ADDRESS, host:port, until it is ended."""
    logging.basicConfig(level=logging.WARNING)
    # As the flags of the jobs say; a worker in a process of its own would read them.
    apache_beam.internal.pickler.set_library("cloudpickle")
    server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(),
        options=[("grpc.so_reuseport", 0)],  # else two pools share an address
    )
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"cannot listen at {address}; is it another pool's? ({error})"
        raise click.ClickException(message) from error
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(
        BeamFnExternalWorkerPoolServicer(state_cache_size=STATE_CACHE_BYTES), server
    )
    for name in _IMPORTED_BY_STEPS:
        importlib.import_module(name)
    server.start()
    click.echo(f"workers at {address}")
    server.wait_for_termination()


if __name__ == "__main__":
    main()
