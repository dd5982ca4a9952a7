"""Reasons and pages of the lists that a real server returns."""

import base64
import hashlib
import string

import msgspec
import pytest

from components.live_models import push
from pipeline.recommend.one_user import recommend
from tests.support.ruled_model import RATED_ALIKE, write_data
from tests.support.server import serving, until


@pytest.fixture(scope="module")
def rated():
    return RATED_ALIKE


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


def pages(client, query, k):
    """Returns the pages of a list, each as (items, the whole answer)."""
    answer = client.get(f"/v1/recommend/ann?k={k}&{query}").json()
    found = [answer]
    while cursor := answer.get("next"):
        answer = client.get(f"/v1/recommend/ann?k={k}&cursor={cursor}").json()
        found.append(answer)
    return found


@pytest.mark.parametrize("k", [1, 4, 9, 1000])
@pytest.mark.parametrize("query", ["", "like=26&like=Film+5+(1905)&at=2030-01-01"])
def test_pages_joined_are_the_whole_list(client, query, k):
    whole = client.get(f"/v1/recommend/ann?k=1000&{query}").json()
    assert len(whole["items"]) == 27 - 2 * bool(query)
    found = pages(client, query, k)
    assert [item for page in found for item in page["items"]] == whole["items"]
    assert all(0 < len(page["items"]) <= k for page in found[:-1])
    assert not any(page["short"] for page in found[:-1])
    own = {"items": [], "next": "", "short": ""}
    assert [page | own for page in found] == [whole | own] * len(found)


def test_pages_may_differ_in_length_and_have_reasons(client):
    whole = client.get("/v1/recommend/ann?k=5&why=true").json()["items"]
    first = client.get("/v1/recommend/ann?k=2").json()
    rest = client.get(f"/v1/recommend/ann?k=3&why=true&cursor={first['next']}").json()
    assert rest["items"] == whole[2:]


def test_what_is_not_the_next_of_a_page_is_refused(client):
    cursor = client.get("/v1/recommend/ann?k=3&like=26").json()["next"]
    assert set(cursor) <= {*string.ascii_letters, *string.digits, "-", "_"}

    def status(text, more="", user="ann"):
        answer = client.get(f"/v1/recommend/{user}?k=3&cursor={text}{more}")
        if answer.status_code != 200:
            assert "cursor" in answer.json()["error"]
        return answer.status_code

    assert status(cursor) == 200
    for place, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        assert status(cursor[:place] + other + cursor[place + 1 :]) == 400
    for text in (
        "",
        "x",
        "\u00e9",
        cursor[:-1],
        f"{cursor}=",
        f"{cursor}A",
        "A" * 5000,
    ):
        assert status(text) == 400
    assert status(cursor, user="bob") == 400
    assert status(cursor, "&like=26") == status(cursor, "&at=2030-01-01") == 400


@pytest.mark.parametrize(
    "place",
    [
        ["ann", 1, 0, [], 10_000, b""],  # after the last item of the longest list
        ["ann", 1, 0, [], -1, b""],
        ["ann", 1, 1 << 62, [], 1, b""],  # in no year that a time can have
        ["ann", 1, 0, [], 1],
        {"user": "ann"},
        "ann",
    ],
)
def test_a_forged_cursor_is_held_to_the_bounds(client, place):
    content = msgspec.msgpack.encode(place)
    checked = hashlib.blake2b(content, digest_size=8).digest() + content
    text = base64.urlsafe_b64encode(checked).decode().rstrip("=")
    assert client.get(f"/v1/recommend/ann?cursor={text}").status_code == 400


def test_after_new_ratings_or_a_new_version_a_list_starts_again(tmp_path, ruled):
    write_data(tmp_path, RATED_ALIKE, 9)
    push.push(ruled[1], tmp_path / "live", keep=9)
    with serving(tmp_path) as client:
        until(client, "/v1/recommend/ann")
        cursors = {
            user: client.get(f"/v1/recommend/{user}?k=2").json()["next"]
            for user in ("ann", "bob")
        }
        # Item 1 is on a later page, so that the items before the cursor are the same.
        newer = {"ann": {**RATED_ALIKE["train"]["ann"], "1": 2}}
        write_data(
            tmp_path, {**RATED_ALIKE, "train": {**RATED_ALIKE["train"], **newer}}, 20
        )
        until(client, f"/v1/recommend/ann?cursor={cursors['ann']}", 410)
        same = client.get(f"/v1/recommend/bob?cursor={cursors['bob']}")
        assert same.status_code == 200
        push.push(ruled[2], tmp_path / "live", keep=9)
        answer = until(client, f"/v1/recommend/bob?cursor={cursors['bob']}", 410)
        assert "version 2 is live now: start again" in answer.json()["error"]
