"""An HTTP server over the live model: TensorFlow Serving's REST API, and lists.

``app`` joins the parts; requests go ``app → rest, lists → batching → model``, and
``live`` exchanges the model below them.
"""
