"""What people and bots do on a day of the loop."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.loop_server import FIRST_DAY, Clock, Server, seconds_of
from benchmarks.loop_world import NUM_USERS, Population

RETRAINED, FROZEN, POPULARITY = "retrained", "never retrained", "popularity"
HOURS = range(8, 18)  # of a day, in each of which a part of the people come
BOTS, WORST_ITEMS = 300, 20


def write_first_spans(
    spans: Path, people: Mapping[str, Population], num_days: int
) -> None:
    """Writes what all people found by themselves before there were lists."""
    for day in range(num_days):
        span = spans / str(FIRST_DAY + day)
        span.mkdir(parents=True)
        with (span / "events.jsonl").open("w") as file:
            for hour, users in _visits(day):
                for place, user in enumerate(users):
                    found = [
                        population.find(day, user) for population in people.values()
                    ]
                    for item in found[0]:  # the same in every copy
                        at = seconds_of(day, hour) + place
                        row = {"user_id": f"u{user}", "item_id": f"i{item}"}
                        file.write(json.dumps(row | {"timestamp": at}) + "\n")
        (span / "_SUCCESS").touch()


def _visits(day: int) -> Iterator[tuple[int, list[int]]]:
    """Yields each hour of a day, and the users who come in it."""
    order = np.random.default_rng([day, 3]).permutation(NUM_USERS)
    for hour, users in zip(HOURS, np.array_split(order, len(HOURS)), strict=True):
        yield hour, users.tolist()


def live_through(
    day: int,
    clock: Clock,
    servers: Mapping[str, Server],
    people: Mapping[str, Population],
    bots: Sequence[tuple[str, str]],
) -> dict[str, np.ndarray]:
    """Lets each user request a list of each policy; returns how satisfied they are.

    Args:
        day: Number of the day, from the first span on.
        clock: The servers' clock.
        servers: Policy → its server.
        people: Policy → its population.
        bots: Events of bots, which the retrained policy's server receives.
    """
    satisfaction = {name: np.zeros(NUM_USERS) for name in people}
    for part, (hour, users) in enumerate(_visits(day)):
        begin = seconds_of(day, hour)
        clock.set(begin)
        for name, population in people.items():
            events = []
            for user in users:
                if name in servers:
                    path = f"/v1/recommend/u{user}"
                    answer = servers[name].client.get(path).raise_for_status().json()
                    items = [int(item["item_id"][1:]) for item in answer["items"]]
                else:
                    items = population.popular(day, user)
                satisfaction[name][user] = population.satisfaction(day, user, items)
                followed = population.follow(day, user, items)
                followed += population.find(day, user)
                events += [(f"u{user}", f"i{item}") for item in followed]
            if name in servers:
                # Seconds have gone by: an event must not precede its list.
                servers[name].send(events, begin + 60, 60)
        servers[RETRAINED].send(bots[part :: len(HOURS)], begin + 60, 60)
    return satisfaction


def bots_of(people: Population, follows: np.ndarray, day: int) -> list[tuple[str, str]]:
    """Returns the events of bots: each copies a user and adds the worst items.

    Args:
        people: The users, with the items that they have followed.
        follows: Probability that a user follows an item, of shape (users, items).
        day: Number of the day, from the first span on.
    """
    released = np.flatnonzero(follows.max(0) > 0)
    worst = released[np.argsort(follows.mean(0)[released])[:WORST_ITEMS]]
    events = [
        (f"bot{bot}", f"i{item}")
        for bot in range(BOTS)
        for item in {*np.flatnonzero(people.seen[bot % NUM_USERS]), *worst}
    ]
    order = np.random.default_rng([day, 4]).permutation(len(events))
    return [events[place] for place in order]
