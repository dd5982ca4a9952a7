"""The log of the server as JSON, line by line."""

import datetime
import io
import json
import logging
import os
import re
import subprocess
import sys
import time

import pytest

from components.live_models import push
from pipeline.serving.server_log import JsonFormatter
from tests.support.ruled_model import write_data
from tests.support.server import serving


def parsed(client):
    return [json.loads(line) for line in client.log.read_bytes().split(b"\n") if line]


@pytest.mark.parametrize("given", ["option", "environment"])
def test_every_line_of_a_real_server_is_a_json_object(
    given, tmp_path, ruled, rated, monkeypatch
):
    options = ["--log-format", "json"] if given == "option" else []
    if given == "environment":
        monkeypatch.setenv("MARQUEE_LOG_FORMAT", "json")
    write_data(tmp_path, rated, 9)
    for file in tmp_path.rglob("*.gz"):
        file.write_bytes(b"neither a gzip file\nnor one of records")
    push.push(ruled[1], tmp_path / "live", keep=9)
    before = datetime.datetime.now(datetime.UTC)
    with serving(tmp_path, *options, "--host", "0.0.0.0") as client:
        damaged = push.push(ruled[2], tmp_path / "live", keep=9)
        (damaged.folder / "saved_model.pb").write_bytes(b"\n")
        wanted = {"version 2 is refused", "version 1: cannot read its ratings"}
        end = time.monotonic() + 120
        while time.monotonic() < end and not all(
            text in client.log.read_text() for text in wanted
        ):
            time.sleep(0.1)
    lines = parsed(client)
    after = datetime.datetime.now(datetime.UTC)

    for line in lines:
        moment = datetime.datetime.fromisoformat(line["time"])
        assert before - datetime.timedelta(seconds=1) <= moment <= after
        assert moment.utcoffset() == datetime.timedelta(0)
        assert line.keys() - {"exception"} == {"time", "level", "logger", "message"}
    [open_to_all] = [x for x in lines if "0.0.0.0 has access" in x["message"]]
    assert (open_to_all["level"], open_to_all["logger"]) == ("WARNING", "root")
    [refused] = [x for x in lines if x["message"].startswith("version 2 is refused")]
    assert (refused["level"], refused["logger"]) == (
        "ERROR",
        "pipeline.serving.version_watcher",
    )
    assert "exception" not in refused
    [failed] = [x for x in lines if "version 1: cannot read" in x["message"]]
    assert failed["exception"].startswith("Traceback (most recent call last):\n")
    assert failed["exception"].count("\n  File ") > 1


def test_without_the_option_the_log_is_text(client):
    started = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} version 1 \(ruled-1\): serving$"
    assert re.search(started, client.log.read_text(), re.MULTILINE)


def test_what_python_prints_itself_is_json_in_the_process_of_a_version():
    code = """
import threading, warnings
from pipeline.serving.server_log import continue_in_process
continue_in_process()
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0, name="calls")
thread.start()
thread.join()
"""
    env = os.environ | {"MARQUEE_LOG_FORMAT": "json"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, check=True
    )
    warned, ended = [json.loads(line) for line in done.stderr.splitlines()]
    assert (warned["logger"], warned["level"]) == ("py.warnings", "WARNING")
    assert "UserWarning: old" in warned["message"]
    assert ended["message"] == "calls ended"
    assert ended["exception"].endswith("ZeroDivisionError: division by zero")


# What ends a line somewhere, in Python's splitlines or in a viewer, and what UTF-8
# cannot encode.
@pytest.mark.parametrize("text", ["a\nb", "a\r\vb", "a\u2028b\x85", "\ud800", '"\\'])
def test_no_message_breaks_a_line(text):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    try:
        raise ValueError(text)
    except ValueError as error:
        record = logging.LogRecord(
            "a.logger", logging.ERROR, __file__, 1, "of %s", (text,),
            (ValueError, error, error.__traceback__),
        )  # fmt: skip
    handler.emit(record)
    [line] = stream.getvalue().splitlines()
    assert line.isascii()
    read = json.loads(line)
    assert read["message"] == f"of {text}"
    assert read["exception"].endswith(f"ValueError: {text}")
