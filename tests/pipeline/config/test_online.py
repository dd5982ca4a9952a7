"""The section online: what is valid, and what each mistake is called."""

import pytest

from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.config.online_section import OnlineConfig, within

SHOP = ["events.types={view: {role: context}, transaction: {weight: 4}}"]


def test_conversions_are_types_of_events():
    config = load_config(None, [*SHOP, "online.conversions=[transaction, view]"])
    assert config.online.conversions == ["transaction", "view"]


def test_a_window_has_seconds():
    config = load_config(None, ["online.attribution_window=90m"])
    assert config.online.window == 90 * 60
    assert OnlineConfig().window == 86_400
    assert within("2 d") == 2 * 86_400
    for text in ("2", "d", "15d"):
        with pytest.raises(ValueError, match="at most 14d"):
            within(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            [*SHOP, "online.conversions=[transactions]"],
            "online.conversions.*'transactions' is not among events.types; did you "
            "mean 'transaction'",
        ),
        (["online.conversions=[buy]"], "'buy' is not among events.types"),
        (["online.conversions=buy"], "online.conversions"),
        (["online.attribution_window=1w"], "a time such as '30m', '2h' or '1d'"),
        (["online.attribution_window=15d"], "kept for 30 days; set at most 14d"),
    ],
)
def test_mistakes_are_named_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as refused:
        load_config(None, settings)
    assert "\n" not in str(refused.value)
