"""A file server on loopback, with faults."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class FileServer(ThreadingHTTPServer):
    """Serves ``files`` on the loopback interface, with the faults that a test sets.

    Attributes:
        files: Path → content.
        supports_range: Whether Range headers are honoured.
        break_after: Bytes of the body that are sent, one number per request.
        statuses: Statuses of the first answers, in place of the file.
        ranges: The Range header of each request so far.
        url: The server's address.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.supports_range = True
        self.break_after: list[int] = []
        self.statuses: list[int] = []
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self):
        requested = self.headers.get("Range")
        self.server.ranges.append(requested)
        if self.server.statuses:
            self.send_error(self.server.statuses.pop(0))
            return
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        if requested and self.server.supports_range:
            start = int(re.fullmatch(r"bytes=(\d+)-", requested)[1])
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}"
            )
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = len(body)
        if self.server.break_after:
            end = start + self.server.break_after.pop(0)
        self.wfile.write(body[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with FileServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def reported():
    """A progress callback that records its calls in `.calls`."""

    class Recorder:
        def __init__(self):
            self.calls = []

        def __call__(self, description, done, total):
            self.calls.append((description, done, total))

    return Recorder()
