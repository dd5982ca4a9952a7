"""An HTTP server over the live model: TensorFlow Serving's REST API, and lists.

``app`` joins the parts. Requests go ``http → rest, lists → batching → process``; there
``worker`` and ``model`` answer. ``live`` exchanges the process below them.
"""
