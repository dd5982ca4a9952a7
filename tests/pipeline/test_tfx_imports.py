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


def run(code, before=QUICK):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(before) + textwrap.dedent(code)],
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


DECIDED = """
    import sys
    from pipeline import tfx_imports

    with tfx_imports.without_executors():
        import tfx.orchestration.portable.launcher
        import components.ratings_example_gen.driver
        assert not {"keras", "pandas", "tfx.v1"} & set(sys.modules)
"""


def test_everything_works_after_a_decision_without_tensorflow():
    code = """
        with tfx_imports.one_executor(uses_beam=True):
            import tfx.components.evaluator.executor
        import tensorflow as tf
        import tensorflow_data_validation as tfdv
        import tensorflow_model_analysis as tfma
        from tfx import v1 as tfx
        from tfx.types import standard_component_specs

        print(int(tf.constant(1) + 1), tf.train.Example.__name__)
        print(standard_component_specs.tfma.EvalConfig is tfma.EvalConfig)
        print(tfma.proto.config_pb2.EvalConfig is tfma.EvalConfig)
        print(tfdv.anomalies.__name__, tfx.components.Evaluator.__name__)
        base = sys.modules["tfx.dsl.components.base.base_beam_executor"]
        print(base.BaseBeamExecutor.__name__, base.beam.__name__)
    """
    assert run(code, DECIDED) == [
        "2 Example",
        "True",
        "True",
        "tensorflow_data_validation.anomalies Evaluator",
        "BaseBeamExecutor apache_beam",
    ]


def test_an_executor_does_not_import_the_others():
    code = """
        with tfx_imports.one_executor(uses_beam=False):
            import components.pusher.component
        print({"tensorflow", "tfx.v1.components"} & set(sys.modules))
    """
    assert run(code, DECIDED) == ["set()"]


def test_local_files_have_the_statistics_that_tfx_reads(tmp_path):
    (tmp_path / "ratings").write_bytes(b"four")
    code = f"""
        from tfx.utils import io_utils

        print(io_utils.generate_fingerprint("split", {str(tmp_path / "ratings")!r}))
    """
    [fingerprint] = run(code, DECIDED)
    assert "total_bytes:4" in fingerprint
