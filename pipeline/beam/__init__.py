"""Where Beam runs the data steps: on this machine or on a cluster."""
