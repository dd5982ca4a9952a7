"""The log of the sample: who watched which film when, and with how many stars."""

import numpy as np

from pipeline.datasets.sample_films import DAYS, NUM_ITEMS, Items
from pipeline.datasets.sample_random import Floats, Ints, choose, normal
from pipeline.datasets.sample_users import Users

START = 1_546_300_800  # 2019-01-01T00:00:00Z
DAY = 86_400
PERIOD_DAYS = 7  # films age in steps of a week

# The pull of the last film's cluster, and that of the next part of a series watched
# one, two or three films ago; see ``sample_films``.
MOMENTUM = 0.1
SEQUEL_BOOSTS = (80.0, 40.0, 20.0)
BASE_SCORE = 2.5  # stars of a film that does not fit at all; about 3.6 over the log
TASTE_SCORE = 1.9  # additional stars of a film that fits perfectly


def _make_times(random: np.random.Generator, count: Ints) -> Ints:
    """Returns strictly rising times of each user's ratings [users, most ratings].

    People rate in sittings of about eight films, minutes apart; the sittings are spread
    over the days between joining and leaving. Times are in seconds UTC.
    """
    shape = (len(count), int(count.max()))
    within = 20 + (random.random(shape) * 220).astype(np.int64)
    pause = -np.log1p(-random.random(shape)) * (random.random(shape) < 1 / 8)
    pause[:, 0] = 0.0
    inside = np.arange(shape[1]) < count[:, None]
    pause *= inside
    joined = 0.8 * DAYS * random.random(len(count))
    stays = (DAYS - 2 - joined) * (0.1 + 0.9 * random.random(len(count)))
    share = pause.cumsum(axis=1) / np.maximum(pause.sum(axis=1, keepdims=True), 1.0)
    seconds = (DAY * (joined[:, None] + share * stays[:, None])).astype(np.int64)
    timestamp: Ints = START + seconds + within.cumsum(axis=1)
    return timestamp


def _pull(items: Items, num_periods: int) -> Floats:
    """Returns how attractive each film is in each period [periods, items].

    Films are available from their release and fade; the pull of old ones is constant.
    """
    age = np.arange(num_periods)[:, None] * PERIOD_DAYS - items.release
    freshness = 0.25 + 3.0 * np.exp(-np.maximum(age, 0.0) / 90.0)
    freshness[:, items.release < 0] = 0.5
    freshness[age < 0] = 0.0
    pull: Floats = freshness * items.popularity
    return pull


def make_ratings(
    random: np.random.Generator, users: Users, items: Items
) -> tuple[Ints, Ints, Ints, Ints]:
    """Returns users, films, stars and times, [ratings] each, grouped by user."""
    # Busiest users first, so that those still active are always a leading slice.
    busiest = (-users.count).argsort(kind="stable")
    count = users.count[busiest]
    timestamp = _make_times(random, count)

    def taste_at(row: Ints, step: Ints | int) -> Floats:
        progress = (step / count[row])[:, None]
        early, late = users.early_taste[busiest[row]], users.late_taste[busiest[row]]
        mixture: Floats = early * (1 - progress) + late * progress
        return mixture

    period = (timestamp - START) // (DAY * PERIOD_DAYS)
    pull = _pull(items, int(period.max()) + 1)
    watched = np.full(timestamp.shape, -1, dtype=np.int64)
    unseen = np.ones((len(count), NUM_ITEMS))
    appeal_to = items.appeal.T.copy()  # [clusters, items]
    for step in range(timestamp.shape[1]):
        active = np.arange((count > step).sum())
        mood = taste_at(active, step)
        if step:
            mood[active, items.cluster[watched[active, step - 1]]] += MOMENTUM
        weights = mood @ appeal_to  # [active, items]
        weights *= pull[period[active, step]]
        weights *= unseen[: len(active)]
        for back, boost in enumerate(SEQUEL_BOOSTS[:step], start=1):
            sequel = items.next_part[watched[active, step - back]]
            weights[active[sequel >= 0], sequel[sequel >= 0]] *= boost
        watched[active, step] = choose(random, weights)
        unseen[active, watched[active, step]] = 0.0

    row, step_of = np.nonzero(watched >= 0)
    user, item = busiest[row], watched[row, step_of]
    match = (taste_at(row, step_of) * items.appeal[item]).sum(axis=1)
    noise = 0.6 * normal(random, len(row))
    score = BASE_SCORE + TASTE_SCORE * np.sqrt(match)
    score += items.quality[item] + users.leniency[user] + noise
    stars = np.clip(np.rint(score), 1, 5).astype(np.int64)

    # As in MovieLens 1M: users in numerical order, the lines of each shuffled.
    order = np.lexsort((random.random(len(row)), user))
    return user[order], item[order], stars[order], timestamp[row, step_of][order]
