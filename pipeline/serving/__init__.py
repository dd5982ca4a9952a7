"""HTTP server of the live model: lists of items, and TensorFlow Serving's REST API.

The files in the order in which a request passes them; ``server`` starts everything.

- ``connection``: bounds on what a client may send.
- ``middleware``: token, counts, sizes of bodies, errors as JSON.
- ``app``: the table of routes.
- ``recommend_api``: lists of a user, from ``accepted_ratings``.
- ``tfserving_api``: TensorFlow Serving's paths, with ``json_tensors``,
  ``example_items`` and ``json_answers``.
- ``request_parts``, ``batching``: the queue in front of the model.
- ``model_process``: the model's process, seen from the server.
- ``model_messages``: what is sent to it and back.
- ``model_worker`` and ``loaded_model``: what runs in it.

Beside them, ``version_watcher`` replaces the model when another version is live,
``feed_watcher`` applies the feed of available items, ``openapi`` describes the routes,
``prometheus_metrics`` counts, ``server_log`` formats the log and ``request_traces``
makes spans.
"""
