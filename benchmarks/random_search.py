"""``marquee`` with a random search in place of the Tuner's, for ``make bench-tune``.

Each trial trains to its end with values drawn at random, after a first one with the
settings as they are. Needs ``--jobs 1``, as steps in other processes are not affected.
"""

from typing import Any
from unittest import mock

import optuna

from pipeline.cli import main


def _sampler(seed: int | None = None, **_: Any) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed)


if __name__ == "__main__":
    with (
        mock.patch("optuna.samplers.TPESampler", _sampler),
        mock.patch(
            "optuna.pruners.SuccessiveHalvingPruner",
            return_value=optuna.pruners.NopPruner(),
        ),
    ):
        main()
