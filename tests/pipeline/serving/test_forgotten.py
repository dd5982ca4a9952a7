"""A running server drops versions that were withdrawn for good."""

import pytest

from components.live_models import push, versions, withdraw
from components.live_models.version_ledger import Forgotten
from tests.support.ruled_model import RATED, write_data
from tests.support.server import serving, until, until_served

pytestmark = [pytest.mark.slow]


def test_versions_that_learned_from_the_forgotten_are_dropped(tmp_path, ruled):
    live = tmp_path / "live"

    def leave(number, is_pending):
        entry = Forgotten("2026-11-29T00:00:00+00:00", 1, 0, [number], is_pending)
        withdraw.withdraw(live, entry, [versions.read(live / str(number))])

    write_data(tmp_path, RATED, 9)
    for mark in (1, 2):
        push.push(ruled[mark], live, keep=9)
    with serving(tmp_path) as client:
        assert until(client, "/v1/recommend/ann").json()["version"] == 2
        # Its files are gone, but another model is still being trained.
        leave(2, is_pending=True)
        until_served(client, 2)
        withdraw.end_serving(live)
        until_served(client, 1)
        assert until(client, "/v1/recommend/ann").json()["version"] == 1
        leave(1, is_pending=False)
        until(client, "/healthz", 503)
        assert client.get("/v1/recommend/ann").status_code == 503
        push.push(ruled[2], live, keep=9)  # as a run does that trained anew
        until_served(client, 3)
