"""``skew``: features in served lists against those that the version learned from."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import exit_codes
from pipeline.cli.command import (
    VERBOSE,
    config_option,
    json_option,
    main,
    print_json,
    read_config,
    run_out_option,
    settings_option,
    verbose_option,
)

if TYPE_CHECKING:
    from pipeline.served_features.served import Per


@main.command()
@click.option(
    "--per",
    type=click.Choice(["hour", "day"]),
    help="Length of the periods, in UTC; by default retrain.served_period.",
)
@click.option(
    "--last",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Number of periods of each version, the newest ones with enough users.",
)
@run_out_option
@config_option
@settings_option
@json_option
@verbose_option
@click.pass_context
def skew(
    ctx: click.Context,
    per: "Per | None",
    last: int,
    out: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare features in served lists with those of training.

    Reads the lists that 'marquee serve --log-lists' has logged. Skew is the distance
    from the histories of the same users in the training data of the version, drift the
    distance from the hour or the day before. The exit status is 4 if one exceeds its
    threshold.
    """
    from pipeline.views.terminal import hidden_output, open_console
    from pipeline.views.terminal.served_features import print_comparison

    config = read_config(None, config_file, settings, out=out)
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.served_features.comparison import compare, wanted_by

        comparison = compare(Path(config.out), wanted_by(config, per, last))
    if as_json:
        print_json(comparison)
    else:
        print_comparison(open_console(), comparison)
    if any(period.alerts for period in comparison.compared):
        ctx.exit(exit_codes.ANOMALIES)
