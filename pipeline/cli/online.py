"""``online``: what users did with the lists that they were shown."""

import time
from pathlib import Path

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)
from pipeline.cli.within_option import online_settings, within_option


@main.command()
@within_option
@out_option
@json_option
@verbose_option
def online(within: int | None, out: Path, as_json: bool) -> None:
    """Show what users did with the lists that they were shown.

    An event counts for the last list before it that has its item. The lists are those
    that 'marquee serve --log-lists' has logged, the events those that it has received
    (docs/online.md).
    """
    from pipeline.online.measure import measure
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.online import print_online

    settings, window = online_settings(out, within)
    found = measure(out, window, settings.conversions, time.time())
    if as_json:
        print_json(found)
    else:
        print_online(open_console(), found)
