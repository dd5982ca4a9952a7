"""Where Beam runs the data steps: here, or on a cluster of machines."""
