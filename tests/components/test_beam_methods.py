"""Beam's inspection of methods, remembered."""

from types import SimpleNamespace

import apache_beam as beam
from apache_beam.transforms import core

from components.beam_methods import inspect_once


class Add(beam.DoFn):
    def process(self, element, more=1, window=beam.DoFn.WindowParam):
        yield element + more


def original():
    """Beam's function, whether or not it was replaced before."""
    function = core.get_function_args_defaults
    return getattr(function, "__wrapped__", function)


def test_each_method_is_inspected_once_with_beams_result():
    inspected = []

    def inspect(function):
        inspected.append(function)
        return original()(function)

    module = SimpleNamespace(get_function_args_defaults=inspect)
    inspect_once(module)
    inspect_once(module)  # changes nothing
    arguments = module.get_function_args_defaults
    for function in (Add().process, Add().setup, Add.process, len, lambda a, b=2: a):
        assert arguments(function) == original()(function)
    arguments(Add().process)[0].clear()
    assert arguments(Add().process) == (
        ["element", "more", "window"],
        [1, beam.DoFn.WindowParam],
    )
    assert [f.__name__ for f in inspected] == [
        *("process", "setup", "process", "len", "<lambda>")
    ]
