"""A worker that trains nothing: it does what its order has for its number, in turn."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from trainer_modules.workers.reports import progress_log, reporting

order = Path(sys.argv[1])
number = int(json.loads(os.environ["TF_CONFIG"])["task"]["type"] == "worker")
attempts = json.loads(order.read_text())["custom_config"]["attempts"]
attempt = order.with_name(f"attempts-{number}")
count = len(attempt.read_text()) if attempt.exists() else 0
attempt.write_text("x" * (count + 1))
what = attempts[min(count, len(attempts) - 1)][number]
with reporting() as reporter:
    others = order.with_name(f"attempts-{1 - number}")
    while not others.exists() or len(others.read_text()) <= count:
        time.sleep(0.01)  # both take part in each attempt
    progress_log.info("worker %d, attempt %d: %s", number, count, what)
    print("the output of worker", number)
    sys.stdout.flush()
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "loses":
        sys.exit(75)
    if what == "fails":
        reporter.send(error="no rating is a like")
    if what == "stops":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "saves and dies":
        folder = Path(json.loads(order.read_text())["custom_config"]["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"0-{count:012}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what in ("waits", "fails"):
        time.sleep(600)
