"""Reasons of the lists that a real server returns."""

import pytest

from components.live_models import push
from pipeline.recommend.one_user import recommend
from tests.support.ruled_model import write_data
from tests.support.server import serving, until

pytestmark = pytest.mark.integration

RATED = {  # split → user → item → stars; more than 3 is a like
    "train": {
        "ann": {"30": 5, "29": 1, "27": 4},
        "bob": {"30": 4, "28": 5, "29": 5},
        "cat": {"27": 4, "28": 4, "26": 2},
    },
    "test": {"cat": {"30": 4}},
}


@pytest.fixture(scope="module")
def out(tmp_path_factory, ruled):
    out = tmp_path_factory.mktemp("out")
    write_data(out, RATED, 9)
    push.push(ruled[1], out / "live", keep=9)
    return out


@pytest.fixture(scope="module")
def client(out):
    with serving(out) as client:
        until(client, "/v1/recommend/ann")
        yield client


def test_reasons_are_those_of_the_command(client, out):
    [first, second] = client.get("/v1/recommend/ann?k=2&why=true").json()["items"]
    # bob and cat like 28 and 30, which has three likers; cat likes 28 and 27, too.
    assert first["item_id"] == "28"
    assert first["reasons"] == [
        {
            "item_id": "30",
            "title": "Film 30 (1930)",
            "users": 2,
            "cosine": pytest.approx(2 / (2 * 3) ** 0.5),
        },
        {
            "item_id": "27",
            "title": "Film 27 (1927)",
            "users": 1,
            "cosine": pytest.approx(1 / (2 * 2) ** 0.5),
        },
    ]
    assert (second["item_id"], second["reasons"]) == ("26", [])  # without likes
    for user, query, likes in [("ann", "", []), ("new", "&like=27&like=29", "27 29")]:
        answer = client.get(f"/v1/recommend/{user}?k=9&why=true{query}").json()
        command = recommend(out, user, 9, likes and likes.split(), why=True)
        assert [
            [(r["item_id"], r["users"], r["cosine"]) for r in item["reasons"]]
            for item in answer["items"]
        ] == [
            [(r.item_id, r.users, r.cosine) for r in i.reasons] for i in command.items
        ]
    assert "reasons" not in client.get("/v1/recommend/ann?why=false").json()["items"][0]


@pytest.mark.parametrize("query", ["why=yes", "why=true&k=101"])
def test_reasons_are_bounded(client, query):
    answer = client.get(f"/v1/recommend/ann?{query}")
    assert answer.status_code == 400
    assert query.rpartition("&")[2].partition("=")[0] in answer.json()["error"]
