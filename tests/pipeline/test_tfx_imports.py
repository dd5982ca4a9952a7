"""What is imported with TFX, in processes of their own."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.integration

QUICK = """
    import gc, sys
    from pipeline import tfx_imports

    with tfx_imports.quick():
        from pipeline.pipeline import create_pipeline
        from tfx import v1 as tfx

        assert not gc.isenabled()
    assert gc.isenabled()
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(QUICK) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_clients_that_nothing_uses_are_not_imported():
    unused = {"google.cloud.aiplatform", "google.cloud.aiplatform_v1", "rfc3987_syntax"}
    assert run(f"print(sorted({unused} & set(sys.modules)))") == ["[]"]


def test_what_was_left_out_can_be_imported_later():
    assert run(
        """
        import rfc3987_syntax

        print(rfc3987_syntax.is_valid_syntax("iri", "https://example.org/a"))
        print(tfx.extensions.google_cloud_big_query.Pusher.__name__)
        """
    ) == ["True", "Pusher"]
