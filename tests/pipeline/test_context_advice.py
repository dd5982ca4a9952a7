"""What a run and ``marquee data`` show about the times that models read."""

from pipeline.config.load import load_config
from pipeline.context_advice import describe_context, warnings_of_context

HOUR = "context.fields=[hour]"
FM = "models={fm: {}, mf_als: {}, warp_mf: {}}"


def test_fields_are_shown_with_their_zone_and_their_readers():
    assert describe_context(load_config(None, [FM])) is None
    zone = "context.timezone=Europe/Berlin"
    shown = describe_context(load_config(None, [FM, HOUR, zone]))
    assert shown == "context.fields: hour in Europe/Berlin, read by fm, warp_mf"


def test_fields_that_no_model_reads_are_a_warning():
    config = load_config(None, [HOUR])
    assert describe_context(config) == "context.fields: hour in UTC, read by no model"
    [warning] = warnings_of_context(config)
    assert "add one that reads side features, such as fm" in warning
    for used in ([], [FM], [FM, HOUR]):
        assert not list(warnings_of_context(load_config(None, used)))
