"""The generated log of events, read line by line."""

from collections import Counter, defaultdict

from pipeline.datasets.sample_events import write_events


def test_a_purchase_follows_a_cart_and_a_cart_follows_a_view(tmp_path):
    path = tmp_path / "events.csv"
    write_events(path)
    header, *lines = path.read_text().splitlines()
    assert header == "timestamp,visitorid,event,itemid,transactionid"
    rows = [line.split(",") for line in lines]
    times = [int(row[0]) for row in rows]
    assert times == sorted(times)
    assert all(time > 1e12 and time % 1000 == 0 for time in times)

    seen = defaultdict(set)
    before = {"view": set(), "addtocart": {"view"}, "transaction": {"addtocart"}}
    for _, user, event, item, number in rows:
        assert before[event] <= seen[user, item]
        assert bool(number) == (event == "transaction")
        seen[user, item].add(event)
    numbers = [row[4] for row in rows if row[4]]
    assert len(set(numbers)) == len(numbers)
    counts = Counter(row[2] for row in rows)
    assert 3 * len(rows) < 5 * counts["view"]
    assert counts["addtocart"] > counts["transaction"] > 10_000
