"""Ranks and their metrics by their definitions, user by user and item by item."""

import math

import numpy as np


def ranks(scores, seen, targets, target_scores, num_reserved=2):
    """Returns the worst rank of each of a user's targets; 0 for padding.

    Args:
        scores: Scores of all indices, [V], including the reserved ones.
        seen: Indices of the items that the user has rated.
        targets: Indices, padded with 0.
        target_scores: Scores of the targets.
        num_reserved: Number of indices, from 0, that are not items.
    """
    found = []
    for target, own in zip(targets, target_scores, strict=True):
        if target == 0:
            found.append(0)
            continue
        own = -math.inf if math.isnan(own) else own
        rank = 1
        for item in range(num_reserved, len(scores)):
            if item in seen or item == target:
                continue
            if not scores[item] < own:
                rank += 1
        found.append(rank)
    return found


def user_metrics(rank, num_candidates, k=10, num_sampled=99):
    """Returns all ranking metrics of a user from the ranks of the liked targets.

    Targets with equal scores share the worst of their places: if two have rank 5, no
    other item is at place 4.
    """
    rank = sorted(rank)
    taken = set()
    for place in reversed(rank):
        while place in taken:
            place -= 1
        taken.add(place)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(rank), k) + 1))
    hits = [r for r in rank if r <= k]
    metrics = {
        f"hit_rate@{k}": 1.0 if hits else 0.0,
        f"ndcg@{k}": sum(1 / math.log2(r + 1) for r in hits) / ideal,
        "mrr": 1 / rank[0],
        f"recall@{k}": len(hits) / len(rank),
        f"precision@{k}": len(hits) / k,
        "mean_rank_auc": math.nan,
        f"sampled_hit_rate@{k}": math.nan,
        f"sampled_ndcg@{k}": math.nan,
    }
    others = [place for place in range(1, num_candidates + 1) if place not in taken]
    if others:
        # The share of pairs of a liked target and another item in the right order.
        right = sum(r < other for r in rank for other in others)
        metrics["mean_rank_auc"] = right / (len(rank) * len(others))
        chances = [
            place_chances(sum(o < r for o in others), len(others), num_sampled)
            for r in rank
        ]
        metrics[f"sampled_hit_rate@{k}"] = np.mean([sum(c[:k]) for c in chances])
        metrics[f"sampled_ndcg@{k}"] = np.mean(
            [
                sum(p / math.log2(place + 1) for place, p in enumerate(c[:k], 1))
                for c in chances
            ]
        )
    return metrics


def place_chances(ahead, num_others, num_sampled):
    """Returns the probabilities of places 1, 2, …, by counting all samples exactly."""
    sample = min(num_sampled, num_others)
    everything = math.comb(num_others, sample)
    return [
        math.comb(ahead, j) * math.comb(num_others - ahead, sample - j) / everything
        for j in range(sample + 1)
    ]


def auc(score, label):
    """Returns the share of (liked, other) pairs in the right order; ties count half."""
    liked = [s for s, yes in zip(score, label, strict=True) if yes]
    others = [s for s, yes in zip(score, label, strict=True) if not yes]
    if not liked or not others or np.isnan(score).any():
        return math.nan
    right = sum((a > b) + (a == b) / 2 for a in liked for b in others)
    return right / (len(liked) * len(others))


def auc_range(score, label, rounding):
    """Returns the lowest and the highest AUC if scores are off by up to ``rounding``.

    A matrix product rounds rows differently by their place in the batch, depending on
    the processor, so equal questions may get scores that differ in the last bits.
    """
    liked = [s for s, yes in zip(score, label, strict=True) if yes]
    others = [s for s, yes in zip(score, label, strict=True) if not yes]
    pairs = [a - b for a in liked for b in others]
    return tuple(
        np.mean([gap > bound for gap in pairs])
        for bound in (2 * rounding, -2 * rounding)
    )
