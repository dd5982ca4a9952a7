"""Logged lists of real models are made again, bit by bit."""

import concurrent.futures
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.live_models import push
from pipeline.list_log.files import FILES, FOLDER
from tests.support.server import serving, until, until_served


def replayed(marquee, out):
    ended = marquee("replay", "--out", str(out), "--json")
    assert ended.status in (0, 6), ended.err
    return ended.status, json.loads(ended.out)


@pytest.fixture(scope="module")
def answers(out, ruled):
    """Lists of many clients at once, across a switch of versions."""
    with serving(out, "--log-lists", "1", "--explore", "3/8") as client:
        until(client, "/v1/recommend/ann")

        def ask(number):
            user = ("ann", "bob%2F%C3%A9", f"new{number}")[number % 3]
            query = f"k={1 + number % 25}&at=2026-11-20T12:30Z"
            if number % 4 == 0:
                query += f"&like={1 + number % 30}&like=7"
            answer = client.get(f"/v1/recommend/{user}?{query}").json()
            if number % 5 == 0 and "next" in answer:
                client.get(f"/v1/recommend/{user}?cursor={answer['next']}&k=3")
            return answer

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(150)))
            push.push(ruled[2], out / "live", keep=9)
            until_served(client, 2)
            answers += pool.map(ask, range(150))
    return answers


def rows(out):
    return [
        row
        for path in sorted((out / FOLDER).glob(FILES))
        for row in pq.read_table(path).to_pylist()
    ]


def test_the_log_has_what_was_answered(answers, out):
    found = rows(out)
    assert len(found) >= len(answers)
    by_answer = {
        (row["user"], row["version"], tuple(row["items"]), row["k"]) for row in found
    }
    for answer in answers:
        items = tuple(item["item_id"] for item in answer["items"])
        key = answer["user"], answer["version"], items
        assert any(each[:3] == key for each in by_answer)
    assert {row["version"] for row in found} >= {1, 2}
    assert max(row["call_rows"] for row in found) > 1
    assert {row["start"] for row in found} > {0}


def test_the_log_has_what_was_drawn(answers, out):
    """The model lists items 30, 29, … 1 without those of the history."""
    shown = [row for row in rows(out) if not row["start"]]
    assert any(row["ranks"] != sorted(row["ranks"]) for row in shown)
    for row in shown:
        history = set(row["history_items"])
        items = [str(n) for n in range(30, 0, -1) if str(n) not in history]
        num_head = max(row["k"] - min(3, row["k"] - 1), 0)
        assert row["items"] == [items[rank] for rank in row["ranks"]]
        assert row["items"][:num_head] == items[:num_head]
        pool = items[num_head : num_head + 8] if row["k"] > 1 else []
        assert row["pool"] == pool
        drawn = row["items"][num_head:]
        assert len(set(drawn) & set(pool)) == len(drawn)
        assert len(drawn) == min(3, row["k"] - 1, len(pool))
        assert row["probabilities"][:num_head] == [1] * num_head
        for probability in row["probabilities"][num_head:]:
            assert probability == pytest.approx(1 / len(pool))


def test_lists_are_made_again(answers, out, marquee):
    status, result = replayed(marquee, out)
    assert (status, result["different"], result["skipped"]) == (0, [], {})
    assert result["equal"] == len(rows(out)) > len(answers)


def test_a_damaged_file_is_named_and_the_others_are_made_again(answers, out, marquee):
    damaged = out / FOLDER / "lists-0.parquet"
    damaged.write_bytes(b"PAR1 cut short")
    status, result = replayed(marquee, out)
    damaged.unlink()
    assert (status, result["different"], result["skipped"]) == (0, [], {})
    assert result["equal"] == len(rows(out))
    [line] = result["damaged"]
    assert line.startswith(f"{damaged} cannot be read: ")


def test_a_changed_list_is_found(answers, out, marquee):
    changed = rows(out)[:20]
    changed[3]["scores"][0] += 0.001
    changed[5]["history_items"] = ["30", "29", "28", "27"]
    changed[5]["history_ratings"] = [5.0] * 4
    changed[5]["call_widths"] = [(name, 9) for name, _ in changed[5]["call_widths"]]
    changed[7]["version"] = 99
    row = next(row for row in changed[8:] if row["pool"])
    row["pool"] = row["pool"][::-1]
    kept = next((out / FOLDER).glob(FILES))
    table = pa.Table.from_pylist(changed, pq.read_schema(kept))
    shutil.rmtree(out / FOLDER)
    (out / FOLDER).mkdir()
    pq.write_table(table, out / FOLDER / "lists-1.parquet")
    status, result = replayed(marquee, out)
    assert (status, len(result["different"]), result["equal"]) == (6, 3, 16)
    assert result["skipped"] == {"version 99 (ruled-1) has been removed": 1}


def test_redacted_lists_are_not_made_again(out, marquee):
    shutil.rmtree(out / FOLDER)
    options = ("--redact", "user", "--redact", "history")
    with serving(out, "--log-lists", "1", *options) as client:
        until(client, "/v1/recommend/ann")
    redacted = rows(out)
    assert {row["user"][:5] for row in redacted} == {"hmac:"}
    assert [row["history_items"] for row in redacted] == [[]] * len(redacted)
    status, result = replayed(marquee, out)
    assert (status, result["equal"], result["different"]) == (0, 0, [])
    assert result["skipped"] == {"user, history: redacted in the log": len(redacted)}


def test_there_is_nothing_to_redact_without_a_log(marquee):
    ended = marquee("serve", "--redact", "user")
    assert (ended.status, "--log-lists" in ended.err) == (2, True)


def test_a_folder_without_lists_is_named(marquee, tmp_path):
    ended = marquee("replay", "--out", str(tmp_path))
    assert (ended.status, "--log-lists" in ended.err) == (2, True)
