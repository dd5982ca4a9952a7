"""Persistent Beam workers: ``python -m pipeline.beam.worker_pool localhost:50000``.

One pool runs beside each of Flink's TaskManagers (on Kubernetes as a sidecar), never
one for two, because both would request a worker of the same name. A worker is a thread,
so that TensorFlow is imported once and not by every stage of every step.
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

# Size of the side inputs that a worker caches between bundles.
STATE_CACHE_BYTES = 256 << 20
# Imports of the steps' functions, made before the first of them is waited for.
_IMPORTED_BY_STEPS = ("tfx.components", "components.ranking_metrics.extractors")


@click.command()
@click.argument("address")
def main(address: str) -> None:
    """Serves workers at ADDRESS, host:port, until it is terminated."""
    logging.basicConfig(level=logging.WARNING)
    # As in the jobs' flags, which a worker in a separate process would read.
    apache_beam.internal.pickler.set_library("cloudpickle")
    server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(),
        options=[
            ("grpc.so_reuseport", 0)
        ],  # otherwise two pools could share an address
    )
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"Cannot listen at {address}; is another pool running? ({error})"
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
