"""Predicts rewards for the doubly robust estimate.

Least squares on a few features of a place, the item and the user, with a small penalty.
The places of a user are predicted by a model of other users (cross-fitting), because a
model that has seen a reward would predict it too well. However wrong the predictions
are, they do not bias the estimate: they only widen the interval.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.off_policy.estimators import Floats, Ints

FOLDS = 5
PENALTY = 1.0  # in places; only matters for logs of a few dozens


def predict(
    user: Ints, reward: Floats, shown: Floats, chosen: Floats
) -> tuple[Floats, Floats]:
    """Returns the predicted rewards of what was shown, and of the candidate's choice.

    Args:
        user: Number of the user of each place, from 0 [N].
        reward: Reward of each place [N].
        shown: Features of the shown items at their places [N, F], one of them constant.
        chosen: The same of the candidate's items [N, F].
    """
    predicted = np.zeros((2, len(reward)))
    fold = user % FOLDS
    for number in range(FOLDS):
        others, own = fold != number, fold == number
        known = shown[others]
        gram = known.T @ known + PENALTY * np.eye(shown.shape[1])
        coefficients = np.linalg.solve(gram, known.T @ reward[others])
        predicted[0, own] = shown[own] @ coefficients
        predicted[1, own] = chosen[own] @ coefficients
    return predicted[0], predicted[1]


def features(rank: Ints, position: Sequence[int], num_history: Sequence[int]) -> Floats:
    """Returns the features of items at their places [N, F]; zeros where there is none.

    Args:
        rank: Rank of each item in the pool; -1 if the place has no item [N].
        position: Position of each place in its list, from 0 [N].
        num_history: Length of each user's history [N].
    """
    found = np.column_stack(
        [
            np.ones(len(rank)),
            np.log2(2.0 + np.maximum(rank, 0)),
            np.log2(2.0 + np.asarray(position)),
            np.log2(1.0 + np.asarray(num_history)),
        ]
    )
    return found * (rank >= 0)[:, None]
