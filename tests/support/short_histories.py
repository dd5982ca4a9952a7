"""Histories shorter and longer than a sequence model reads, and candidates."""

from trainer_modules.sizes import Sizes

SIZES = Sizes(num_users=5, num_items=12)
LENGTH = 3  # L, the longest history that is read
ITEMS = [[2, 5, 11], [3, 4, 7], [2, 3, 9], [8, 8, 2]]
# Longer than L, exactly L with an unknown item, one item and none.
HISTORY = [[9, 2, 3, 4, 8], [5, 6, 1, 0, 0], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
