"""The sample read back from its files and judged in plain numpy."""

import hashlib
import re
import time

import numpy as np
import pytest

from pipeline.datasets import sample

NUM_USERS, NUM_ITEMS, NUM_RATINGS = 1_000, 800, 80_000
GENRES = {  # from the README of MovieLens 1M
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical"),
    *("Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
}

RECORDED = {
    "README": ("74d2124d31e54215398a1a2650c5480fc192807dacf50ff18282835a05d6f90c"),
    "checksums.txt": (
        "7699288b32d65afffc43b7c69638d946fc5dd73210e13c5d2b2ba1d6311d7c7e"
    ),
    "movies.dat": ("f643a06620962a089035b53f3c8f711ab4dbbb3e163f583102a287195016ecac"),
    "ratings.dat": ("1a5f690a0e07a52b0fdb80a3b30a63ae2eee5dfb2a6fd3831f6407bdb752c5a4"),
    "users.dat": ("9ff2c4437c16dbf2d985a17060a2c7843d8a2113aadb54855d87ab625d7333fc"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def movies(folder):
    lines = (folder / "movies.dat").read_text("latin-1").splitlines()
    return [line.split("::") for line in lines]


@pytest.fixture(scope="module")
def people(folder):
    lines = (folder / "users.dat").read_text("latin-1").splitlines()
    return [line.split("::") for line in lines]


@pytest.fixture(scope="module")
def log(folder):
    """Columns user, item (row of movies.dat), stars, time; by user and time."""
    text = (folder / "ratings.dat").read_text("ascii")
    rows = np.array(text.replace("::", " ").split(), dtype=np.int64).reshape(-1, 4)
    rows = rows[np.lexsort((rows[:, 3], rows[:, 0]))]
    ids = [
        int(line.split("::")[0])
        for line in (folder / "movies.dat").read_text("latin-1").splitlines()
    ]
    return {
        "user": rows[:, 0] - 1,
        "item": np.searchsorted(ids, rows[:, 1]),
        "item_id": rows[:, 1],
        "stars": rows[:, 2],
        "time": rows[:, 3],
    }


@pytest.fixture(scope="module")
def last_out(log):
    """Leave-last-out: seen ``[users, items]``, target item and stars ``[users]``."""
    last = np.append(np.diff(log["user"]) > 0, True)
    stars = np.zeros((NUM_USERS, NUM_ITEMS))
    stars[log["user"][~last], log["item"][~last]] = log["stars"][~last]
    return stars, log["item"][last], log["stars"][last]


# --- the files --------------------------------------------------------------------


def test_bytes_are_the_same_everywhere_and_always(folder):
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
    }
    # Recorded. Other bytes need a higher VERSION, so that they replace cached ones.
    assert sample.VERSION == 1
    assert digests == RECORDED


def test_made_in_under_three_seconds(tmp_path):
    start = time.process_time()
    sample.write_sample(tmp_path)
    assert time.process_time() - start < 3.0


def test_counts(log, movies, people):
    assert len(log["user"]) == NUM_RATINGS
    assert len(movies) == NUM_ITEMS
    assert len(people) == NUM_USERS
    assert np.bincount(log["user"]).min() >= 20
    assert len(np.unique(log["item"])) > 0.95 * NUM_ITEMS
    assert set(log["item_id"]) <= {int(movie[0]) for movie in movies}


def test_nobody_rates_a_film_twice_or_two_at_once(log):
    assert len(set(zip(log["user"], log["item"], strict=True))) == NUM_RATINGS
    same_user = np.diff(log["user"]) == 0
    assert (np.diff(log["time"])[same_user] > 0).all()


def test_order_is_movielens_1ms(folder):
    text = (folder / "ratings.dat").read_text("ascii")
    rows = [line.split("::") for line in text.splitlines()]
    users = [int(row[0]) for row in rows]
    assert users == sorted(users)
    times = [int(row[3]) for row in rows if row[0] == "1"]
    assert times != sorted(times)


def test_features_are_movielens_1ms(movies, people):
    ages = {"1", "18", "25", "35", "45", "50", "56"}
    for user, gender, age, occupation, zip_code in people:
        assert user.isdecimal()
        assert gender in {"F", "M"}
        assert age in ages
        assert 0 <= int(occupation) <= 20
        assert re.fullmatch(r"\d{5}", zip_code)
    for _, title, film_genres in movies:
        assert re.fullmatch(r".+ \((19|20)\d\d\)", title)
        assert set(film_genres.split("|")) <= GENRES
    titles = [title for _, title, _ in movies]
    assert len(set(titles)) == NUM_ITEMS
    accented = [title for title in titles if not title.isascii()]
    assert 5 <= len(accented) <= 50
    assert {genre for *_, names in movies for genre in names.split("|")} == GENRES


def test_readme_says_that_it_is_generated(folder):
    assert "GENERATED" in (folder / "README").read_text("latin-1")


# --- what is planted ----------------------------------------------------------------


def test_stars(log):
    assert set(log["stars"]) == {1, 2, 3, 4, 5}
    assert log["stars"].mean() == pytest.approx(3.6, abs=0.05)
    assert (log["stars"] > 3).mean() == pytest.approx(0.56, abs=0.05)


def test_popularity_is_skewed(log):
    counts = np.sort(np.bincount(log["item"], minlength=NUM_ITEMS))[::-1]
    assert 0.2 < counts[:80].sum() / NUM_RATINGS < 0.5
    assert counts[0] > 5 * np.median(counts)
    assert np.sort(np.bincount(log["user"]))[-100:].sum() > 0.2 * NUM_RATINGS


def test_films_come_out_and_fade(log):
    """A film that came out during the log lives mostly in its first half year."""
    day = (log["time"] - log["time"].min()) / 86_400
    first = np.full(NUM_ITEMS, np.inf)
    np.minimum.at(first, log["item"], day)
    new = (first > 200) & (first < 700)
    age = (day - first[log["item"]])[new[log["item"]]]
    within, after = (age < 180).sum() / 180, ((age > 180) & (age < 360)).sum() / 180
    assert new.sum() > 100
    assert within > 1.5 * after


def test_popularity_changes(log):
    middle = np.median(log["time"])
    early, late = (
        np.bincount(log["item"][half], minlength=NUM_ITEMS)
        for half in (log["time"] < middle, log["time"] >= middle)
    )
    assert 0.0 < np.corrcoef(early, late)[0, 1] < 0.7


def ranks(score, seen, target):
    """Rank of the target among all unseen items, from 1; ties count against."""
    score = np.where(seen > 0, -np.inf, score)
    of_target = score[np.arange(len(target)), target]
    return (score >= of_target[:, None]).sum(axis=1)


def hit_rate(rank):
    return (rank <= 10).mean()


def ndcg(rank):
    return np.where(rank <= 10, 1 / np.log2(1 + rank), 0).mean()


def item_knn(seen):
    count = seen.sum(axis=0)
    cosine = seen.T @ seen / np.sqrt(np.outer(count, count) + 1e-9)
    np.fill_diagonal(cosine, 0)
    return seen @ cosine


def ease(seen, l2=200.0):
    """Steck 2019, equation 8."""
    inverse = np.linalg.inv(seen.T @ seen + l2 * np.eye(seen.shape[1]))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0)
    return seen @ weight


def test_personalised_models_beat_popularity_by_a_wide_margin(last_out):
    stars, target, _ = last_out
    seen = (stars > 0).astype(float)
    count = seen.sum(axis=0)
    popular = ranks(np.tile(count, (NUM_USERS, 1)), seen, target)
    assert 0.03 < hit_rate(popular) < 0.12
    for model in (item_knn, ease):
        rank = ranks(model(seen), seen, target)
        assert 2.0 * hit_rate(popular) < hit_rate(rank) < 0.4
        assert 2.5 * ndcg(popular) < ndcg(rank)


def test_the_next_film_depends_on_the_last_ones(log, last_out):
    """Adding what followed the last film in other histories improves ItemKNN."""
    stars, target, _ = last_out
    seen = (stars > 0).astype(float)
    is_last = np.append(np.diff(log["user"]) > 0, True)
    inside = ~is_last[:-1] & ~is_last[1:]  # pairs of train ratings of one user
    followed = np.zeros((NUM_ITEMS, NUM_ITEMS))
    np.add.at(followed, (log["item"][:-1][inside], log["item"][1:][inside]), 1)
    newest = log["item"][np.flatnonzero(is_last) - 1]
    next_share = followed / (seen.sum(axis=0) + 5)[:, None]
    knn = item_knn(seen)
    knn /= knn.sum(axis=1, keepdims=True)

    without, with_order = (
        ndcg(ranks(score, seen, target)) for score in (knn, knn + next_share[newest])
    )

    assert with_order > 1.3 * without


def area_under_curve(score, positive):
    above = score[positive][:, None] - score[~positive][None, :]
    return (above > 0).mean() + 0.5 * (above == 0).mean()


def test_stars_follow_taste_beyond_the_films_average(last_out):
    """A low-rank model of the residuals of the averages predicts who likes what."""
    stars, target, target_stars = last_out
    rated = stars > 0
    mean = stars[rated].mean()
    item = np.where(rated, stars - mean, 0).sum(axis=0) / (rated.sum(axis=0) + 10)
    rest = np.where(rated, stars - mean - item, 0)
    user = rest.sum(axis=1) / (rated.sum(axis=1) + 10)
    rest = np.where(rated, rest - user[:, None], 0)
    left, size, right = np.linalg.svd(rest, full_matrices=False)
    taste = left[:, :10] * size[:10] @ right[:10]
    row, liked = np.arange(NUM_USERS), target_stars > 3

    film_only = area_under_curve(item[target], liked)
    averages = area_under_curve((item + user[:, None])[row, target], liked)
    personal = (item + user[:, None] + 2 * taste)[row, target]

    assert 0.6 < film_only < 0.8
    assert area_under_curve(personal, liked) > averages + 0.01
    assert area_under_curve(personal, liked) > 0.75


def test_taste_shows_in_the_side_features(log, movies, people):
    """What women rate differs from what men rate; so it does between ages."""
    comedy = np.array(["Comedy" in genres.split("|") for *_, genres in movies])
    action = np.array(["Action" in genres.split("|") for *_, genres in movies])
    woman = np.array([person[1] == "F" for person in people])[log["user"]]
    assert comedy[log["item"]][woman].mean() > 1.3 * comedy[log["item"]][~woman].mean()
    assert action[log["item"]][~woman].mean() > 1.3 * action[log["item"]][woman].mean()
    child = np.array([person[2] == "1" for person in people])[log["user"]]
    family = np.array(["Children's" in genres for *_, genres in movies])[log["item"]]
    assert family[child].mean() > 1.5 * family[~child].mean()
