"""The error for data that cannot be obtained."""


class DatasetError(ValueError):
    """A data set does not exist or cannot be obtained; the message gives advice."""
