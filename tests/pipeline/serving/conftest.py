"""A live folder of a model that answers by rules, and a server of it on loopback."""

import pytest

from components.live_models import push
from tests.support.ruled_model import RATED, save_ruled, write_data
from tests.support.server import serving, until


@pytest.fixture(scope="session")
def ruled(tmp_path_factory):
    """Exports two models that differ in their scores; returns mark → folder."""
    folders = {mark: tmp_path_factory.mktemp("model") for mark in (1, 2)}
    for mark, folder in folders.items():
        save_ruled(folder, mark)
    return folders


@pytest.fixture(scope="module")
def rated():
    """Returns the ratings that the model was accepted with."""
    return RATED


@pytest.fixture(scope="module")
def out(tmp_path_factory, ruled, rated):
    """Returns the output folder of a run whose model is live."""
    out = tmp_path_factory.mktemp("out")
    write_data(out, rated, 9)
    push.push(ruled[1], out / "live", keep=9)
    return out


@pytest.fixture(scope="module")
def client(out):
    """Returns a client of a running server that has the users' histories."""
    with serving(out) as client:
        until(client, "/v1/recommend/ann")
        yield client
