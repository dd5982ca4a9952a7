"""Writes estimates of Open Bandit Pipeline to which a test compares our own.

``make bench-obp`` installs the package in build/ and runs this. It draws 300 places
with rewards, of 40 users, and a candidate. The package imports parts that need PyTorch,
which no estimator does: they are imported alone, with an empty module in its place.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "tests/pipeline/off_policy/obp.json"
NUM_PLACES, NUM_USERS, NUM_ITEMS, PLACES = 300, 40, 8, 3


def main() -> None:
    """Writes the file."""
    random = np.random.default_rng(20_261_130)
    item = random.integers(NUM_ITEMS, size=NUM_PLACES)
    place = random.integers(PLACES, size=NUM_PLACES)
    reward = (random.random(NUM_PLACES) < 0.1 + 0.05 * (item % 4)).astype(float)
    probability = random.uniform(0.05, 0.5, NUM_PLACES)
    chosen = np.where(random.random(NUM_PLACES) < 0.4, item, 7 - item)
    predicted = random.uniform(0, 0.5, (NUM_PLACES, NUM_ITEMS, PLACES))
    rounds = np.arange(NUM_PLACES)
    candidate = np.zeros((NUM_PLACES, NUM_ITEMS, PLACES))
    candidate[rounds, chosen] = 1.0
    estimators = _estimators()
    arguments = {
        "reward": reward,
        "action": item,
        "position": place,
        "pscore": probability,
        "action_dist": candidate,
        "estimated_rewards_by_reg_model": predicted,
    }
    estimates = {
        "ips": estimators.InverseProbabilityWeighting(),
        "snips": estimators.SelfNormalizedInverseProbabilityWeighting(),
        "dr": estimators.DoublyRobust(),
    }
    content = {
        "user": random.integers(NUM_USERS, size=NUM_PLACES).tolist(),
        "reward": reward.tolist(),
        "weight": ((item == chosen) / probability).tolist(),
        "shown": predicted[rounds, item, place].tolist(),
        "chosen": predicted[rounds, chosen, place].tolist(),
        "estimates": {
            name: float(each.estimate_policy_value(**arguments))
            for name, each in estimates.items()
        },
    }
    FILE.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _estimators() -> types.ModuleType:
    found = importlib.util.find_spec("obp")
    if found is None or not found.submodule_search_locations:
        sys.exit("Open Bandit Pipeline is not installed: run 'make bench-obp'")
    package, torch = types.ModuleType("obp"), types.ModuleType("torch")
    package.__path__ = list(found.submodule_search_locations)
    torch.tensor = torch.Tensor = object  # annotations name them
    sys.modules |= {"obp": package, "torch": torch}
    return importlib.import_module("obp.ope.estimators")


if __name__ == "__main__":
    main()
