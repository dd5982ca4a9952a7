"""Training data of many users, and the log of lists that were served to them."""

import datetime
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf

from components.live_models import push
from pipeline.list_log.shown import Shown, as_table
from tests.support import logged_page
from tests.support.examples import serialize
from tests.support.metadata_store import StoreWriter

NUM_USERS, NUM_ITEMS = 400, 60
TRAINED = 1_795_000_000  # seconds UTC, when the newest rating was given
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
KINDS = {"user_income": ["numeric", 10]}
_files = itertools.count()

User = dict[str, Any]


def trained_users() -> dict[str, User]:
    """Returns users whose items, ratings, times and features are drawn at random."""
    random = np.random.default_rng(0)
    popularity = 1 / np.arange(1, NUM_ITEMS + 1)
    users = {}
    for number in range(NUM_USERS):
        count = random.integers(3, 20)
        items = random.choice(
            NUM_ITEMS, count, replace=False, p=popularity / popularity.sum()
        )
        ages = np.sort(random.exponential(5e6, count))[::-1]
        users[f"u{number}"] = {
            "items": [f"item-{item}" for item in items],
            "ratings": random.choice([1, 2, 3, 4, 5], count).astype(float).tolist(),
            "times": [TRAINED - int(age) for age in ages],
            "city": str(random.choice(["Oslo", "Bern", "Rome"], p=[0.6, 0.3, 0.1])),
            "income": float(random.integers(20, 80)) * 1000,
        }
    return users


def write_training(out: Path, users: Mapping[str, User]) -> None:
    """Writes a folder of runs whose version 1, mf_als, learned from the users."""
    store = StoreWriter(out)
    data = store.read("r1", 1, kinds=KINDS)
    origin = store.judge("r1", data, 1, pushes=True)
    path = Path(data.examples.uri, "Split-train", "data.gz")
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for name, user in users.items():
            record = serialize(
                user_id=[name.encode()],
                item_id=[item.encode() for item in user["items"]],
                rating=user["ratings"],
                timestamp=user["times"],
                user_city=[user["city"].encode()],
                user_income=[user["income"]],
            )
            writer.write(record)
    card = out / "model" / "assets.extra" / "marquee.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"model": "mf_als", "origin": origin}))
    (out / "model" / "saved_model.pb").write_text("model")
    push.push(out / "model", out / "live", keep=5)


def served(
    users: Mapping[str, User],
    names: Iterable[str],
    at: datetime.datetime,
    change: Callable[[Shown], Shown] = lambda page: page,
) -> list[Shown]:
    """Returns a list of each user, with the user's own history.

    Args:
        users: The users.
        names: IDs of the users who get a list.
        at: When they get it.
        change: What is wrong with each of them.
    """
    return [change(_page(name, users[name], at)) for name in names]


def _page(name: str, user: User, at: datetime.datetime) -> Shown:
    seconds = int(at.timestamp())
    return logged_page.page(name, ["item-1"], user["items"])._replace(
        time=seconds * 1_000_000,
        at=seconds,
        version=1,
        history_ratings=user["ratings"],
        history_times=user["times"],
        user_features=(f"user_city={user['city']}", f"user_income={user['income']}"),
    )


def log(out: Path, pages: Sequence[Shown]) -> Path:
    """Writes a file of lists; returns its path."""
    folder = out / "lists"
    folder.mkdir(exist_ok=True)
    path = folder / f"lists-{next(_files):04}.parquet"
    pq.write_table(as_table(pages), path)
    return path
