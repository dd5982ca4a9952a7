"""Several processes that train one model: what starts, watches and replaces them."""
