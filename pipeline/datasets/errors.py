"""What goes wrong when data is looked for."""


class DatasetError(ValueError):
    """No such data set, or it cannot be had; the message says what to do."""
