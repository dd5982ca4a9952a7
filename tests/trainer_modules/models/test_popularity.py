"""TopPop: an item's score is the share of users who liked it."""

import numpy as np
import tensorflow as tf

from tests.support.models import build, make_interactions
from trainer_modules import features as f
from trainer_modules.sizes import Sizes


def test_a_score_is_the_share_of_users_who_liked_the_item():
    model = build("popularity", Sizes(6, 5))
    model.solve(
        make_interactions([(2, 2), (3, 2), (4, 2), (5, 4), (3, 3), (3, 1)], 6, 5)
    )
    score = model(
        {
            f.USER_INDEX: tf.constant([2, 1]),
            f.ITEM_INDEX: tf.constant([[0, 1, 2, 3, 4]]),
        }
    )
    shares = [0, 1 / 4, 3 / 4, 1 / 4, 1 / 4]  # of the users 2, 3, 4 and 5
    np.testing.assert_allclose(score, [shares, shares])
