"""A world of lists and clicks whose truth is known.

A user of rate ``r`` clicks item ``i`` at place ``p`` with probability
``r * attention[p] * relevance[user, item]``. Rates differ, so that the lists of a user
are alike, and so does the number of lists. A policy ranks the items of a user by the
relevance and its own error, whose share and likeness to the error of the logging policy
are given.
"""

import dataclasses

import numpy as np

NUM_ITEMS, K, PLACES, POOL = 200, 10, 3, 20
HEAD = K - PLACES
ATTENTION = 0.9 ** np.arange(K)


@dataclasses.dataclass(frozen=True)
class World:
    """Users, and the order in which the logging policy ranks the items for them.

    Attributes:
        rate: Rate of each user, 1 on average [U].
        num_lists: Number of lists of each user [U].
        relevance: Relevance of each item, 0 to 1 [U, M].
        logging: Items by the logging policy, best first [U, M].
        error: Error of the logging policy [U, M].
    """

    rate: np.ndarray
    num_lists: np.ndarray
    relevance: np.ndarray
    logging: np.ndarray
    error: np.ndarray


@dataclasses.dataclass(frozen=True)
class Clicked:
    """Lists that were shown [L, K].

    Attributes:
        user: The user of each list [L].
        item: The items, of which the last were drawn [L, K].
        clicked: Whether each was clicked [L, K].
    """

    user: np.ndarray
    item: np.ndarray
    clicked: np.ndarray


def make_world(random, num_users, mean_lists=8.0):
    """Draws users; popular items are relevant for more of them."""
    rate = random.gamma(2.0, 0.5, num_users)
    num_lists = 1 + random.poisson((mean_lists - 1) * random.gamma(1.0, 1.0, num_users))
    logit = -1.5 + 1.5 * random.normal(size=(num_users, NUM_ITEMS))
    logit += np.linspace(1, -1, NUM_ITEMS)
    relevance = 1 / (1 + np.exp(-logit))
    error = random.normal(size=relevance.shape)
    return World(
        *(np.minimum(rate, 3.0), num_lists, 0.3 * relevance),
        *(ranked(logit + 2 * error), error),
    )


def ranked(score):
    """Returns the items of each user, best first [U, M]."""
    return np.argsort(-score, axis=1)


def policy(random, world, error, likeness):
    """Returns the items by a policy, best first [U, M].

    Args:
        random: Generator of its error.
        world: The world.
        error: Size of its error; that of the logging policy is 2.
        likeness: Correlation of its error with that of the logging policy.
    """
    own = random.normal(size=world.error.shape)
    mixed = likeness * world.error + np.sqrt(1 - likeness**2) * own
    relevance = world.relevance / 0.3
    return ranked(np.log(relevance / (1 - relevance)) + error * mixed)


def in_pool(world, order):
    """Returns a policy's best items of the logging policy's pool [U, PLACES]."""
    pool = world.logging[:, HEAD : HEAD + POOL]
    place = np.argsort(order, axis=1)  # of each item
    best = np.argsort(np.take_along_axis(place, pool, 1), axis=1)[:, :PLACES]
    return np.take_along_axis(pool, best, 1)


def probability(world, user, item, place):
    """Returns with which probability items are clicked; arrays of one shape."""
    return world.rate[user] * ATTENTION[place] * world.relevance[user, item]


def value_in_drawn_places(world, chosen):
    """Returns the expected clicks of a drawn place that ``chosen`` [U, PLACES] fill."""
    users = np.arange(len(world.rate))[:, None]
    clicks = probability(world, users, chosen, np.arange(HEAD, K)).mean(1)
    return float(np.average(clicks, weights=world.num_lists))


def value_of_lists(world, order):
    """Returns the expected clicks of a list, if a policy makes all of it."""
    users = np.arange(len(world.rate))[:, None]
    clicks = probability(world, users, order[:, :K], np.arange(K)).sum(1)
    return float(np.average(clicks, weights=world.num_lists))


def show(random, world):
    """Shows lists whose last places are drawn from the pool, and draws the clicks."""
    user = np.repeat(np.arange(len(world.rate)), world.num_lists)
    drawn = np.argsort(random.random((len(user), POOL)), axis=1)[:, :PLACES]
    tail = np.take_along_axis(world.logging[user], HEAD + drawn, 1)
    item = np.concatenate([world.logging[user, :HEAD], tail], 1)
    chance = probability(world, user[:, None], item, np.arange(K))
    return Clicked(user, item, random.random(item.shape) < chance)


@dataclasses.dataclass(frozen=True)
class DrawnPlaces:
    """The places that were drawn, as arrays for the estimators; N places.

    Attributes:
        user: The user of each place [N].
        reward: 1 if it was clicked [N].
        weight: The weight of the candidate [N].
        shown: Features of the shown item [N, F].
        chosen: Features of the candidate's item [N, F].
    """

    user: np.ndarray
    reward: np.ndarray
    weight: np.ndarray
    shown: np.ndarray
    chosen: np.ndarray


def drawn_places(world, clicked, chosen):
    """Returns the drawn places, for a candidate that fills them with ``chosen``."""
    user = np.repeat(clicked.user, PLACES)
    place = np.tile(np.arange(PLACES), len(clicked.user))
    item, own = clicked.item[:, HEAD:].ravel(), chosen[clicked.user].ravel()
    rank = np.argsort(world.logging, axis=1) - HEAD  # in the pool
    places = np.eye(PLACES)[place]
    return DrawnPlaces(
        user,
        clicked.clicked[:, HEAD:].ravel().astype(float),
        (item == own) * float(POOL),
        *(
            np.column_stack([places, np.log2(2 + rank[user, items])])
            for items in (item, own)
        ),
    )
