"""Lists that are counted, against a search through every list and event."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.config.delivery_section import SHADOW, DeliveryConfig
from pipeline.delivery.outcomes import outcomes
from pipeline.event_log.expected import Row
from pipeline.event_log.store import EventStore
from pipeline.list_log.files import FOLDER
from pipeline.list_log.redaction import Redaction
from pipeline.list_log.shown import as_table
from tests.support.logged_page import page

STARTED, NOW, WINDOW = 1_795_174_200, 1_795_178_200, 600
SETTINGS = DeliveryConfig(mode="canary", slow_ms=100)


def lists(rng):
    """Returns lists of five users and seven items, within an hour."""
    for place in range(300):
        num_items = int(rng.integers(0, 4))
        yield page(
            f"user {rng.integers(5)}", list(rng.choice(list("abcdefg"), num_items)), []
        )._replace(
            time=(STARTED - 100 + 13 * place) * 1_000_000 + 250_000,
            version=int(rng.choice([3, 4, 9])),
            arm=str(rng.choice(["champion", "challenger", SHADOW], p=[0.4, 0.4, 0.2])),
            seconds=float(rng.choice([0.05, 0.2])),
            failed=bool(rng.random() < 0.1),
        )


def events(rng):
    for number in range(60):
        yield Row(
            event_id=str(number),
            user_id=f"user {rng.integers(5)}",
            item_id=str(rng.choice(list("abcdefg"))),
            rating=1.0,
            event_type="",
            timestamp=STARTED + int(rng.integers(4000)),
        )


def followed_by_search(pages, rows):
    """Returns the numbers of the lists that an event followed.

    An event counts for the last list before it that showed its item to its user.
    """
    found = set()
    for row in rows:
        before = [
            number
            for number, p in enumerate(pages)
            if p.version in (3, 4)
            and p.arm != SHADOW
            and p.time >= STARTED * 1_000_000
            and p.time // 1_000_000 <= row.timestamp
            and (p.user, row.item_id in p.items) == (row.user_id, True)
        ]
        if before and row.timestamp - pages[before[-1]].time // 1_000_000 < WINDOW:
            found.add(before[-1])
    return found


def by_search(pages, rows, version):
    """Returns user → [lists over, followed, lists, failed, made, empty, slow]."""
    found, followed = {}, followed_by_search(pages, rows)
    for number, p in enumerate(pages):
        if p.version != version or p.time < STARTED * 1_000_000:
            continue
        is_over = p.time // 1_000_000 + WINDOW <= NOW and not p.failed
        made = not p.failed
        found.setdefault(p.user, np.zeros(7))
        found[p.user] += [
            *(is_over, is_over and number in followed, 1, p.failed, made),
            *(made and not p.items, made and p.seconds > 0.1),
        ]
    return sorted(map(tuple, found.values()))


@pytest.mark.parametrize("redacted", [(), ("user", "history")])
@pytest.mark.parametrize("seed", range(5))
def test_outcomes_are_those_of_a_search(tmp_path, seed, redacted):
    rng = np.random.default_rng(seed)
    pages, rows = list(lists(rng)), list(events(rng))
    store = EventStore(tmp_path)
    store.add([rows], NOW)
    (tmp_path / FOLDER).mkdir()
    for part in range(3):
        path = tmp_path / FOLDER / f"lists-20261120T12000{part}.parquet"
        logged = map(Redaction(tmp_path, redacted).of, pages[part::3])
        pq.write_table(as_table(list(logged)), path)
    found = outcomes(tmp_path, (3, 4), (STARTED, NOW), SETTINGS, WINDOW, [])
    assert list(found) == ["champion", "challenger"]
    for name, version in (("champion", 3), ("challenger", 4)):
        arm, right = found[name], np.array(by_search(pages, rows, version)).T
        for sums, columns in (
            (arm.followed, right[:2]),
            (arm.failed, right[2:4]),
            (arm.empty, right[[4, 5]]),
            (arm.slow, right[[4, 6]]),
        ):
            users = columns[0] > 0
            assert sorted(zip(sums.lists, sums.hits, strict=True)) == sorted(
                map(tuple, columns[:, users].T)
            )
        assert right[1].sum() > 3  # some were followed


@pytest.mark.parametrize("has_store", [False, True])
def test_without_events_no_list_is_followed(tmp_path, has_store):
    if has_store:
        EventStore(tmp_path)
    (tmp_path / FOLDER).mkdir()
    made = page("user 0", ["a"], [])._replace(time=(STARTED + 1) * 1_000_000)
    pq.write_table(
        as_table([made]), tmp_path / FOLDER / "lists-20261120T120000.parquet"
    )
    found = outcomes(tmp_path, (3, 4), (STARTED, NOW), SETTINGS, WINDOW, [])
    assert found["champion"].followed.lists.sum() == 1
    assert found["champion"].followed.hits.sum() == 0


def test_a_damaged_file_is_named_and_does_not_count(tmp_path):
    rng = np.random.default_rng(0)
    pages, rows = list(lists(rng)), list(events(rng))
    EventStore(tmp_path).add([rows], NOW)
    (tmp_path / FOLDER).mkdir()
    for part in range(2):
        path = tmp_path / FOLDER / f"lists-20261120T12000{part}.parquet"
        pq.write_table(as_table(pages[part::2]), path)
    between, damaged = (STARTED, NOW), []
    path.write_bytes(path.read_bytes()[:-100])
    found = outcomes(tmp_path, (3, 4), between, SETTINGS, WINDOW, damaged)
    assert [line.split(" cannot be read")[0] for line in damaged] == [str(path)]
    for arm, version in zip(found.values(), (3, 4), strict=True):
        counted = [
            p
            for p in pages[::2]
            if p.version == version and p.time >= STARTED * 1_000_000
        ]
        assert arm.failed.lists.sum() == len(counted) > 20


def test_without_lists_nothing_is_known(tmp_path):
    found = outcomes(tmp_path, (3, 4), (STARTED, NOW), SETTINGS, WINDOW, [])
    assert [arm.failed.num_users for arm in found.values()] == [0, 0]
    assert not list(tmp_path.iterdir())
