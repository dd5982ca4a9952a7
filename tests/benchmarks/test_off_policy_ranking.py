"""Estimates rank policies as the truth does where nDCG on logged clicks does not."""

import numpy as np

from benchmarks.off_policy_ranking import LIKENESSES, METHODS, taus


def test_estimates_rank_policies_better_than_ndcg_on_clicks():
    likenesses = next(iter(LIKENESSES.values()))
    found = np.mean([taus(seed, 2_000, likenesses) for seed in range(12)], 0)
    tau = dict(zip(METHODS, found, strict=True))
    ndcg = tau.pop("nDCG@10 on clicks")
    assert min(tau.values()) > 0.5
    assert ndcg < 0.1
