"""What a request is refused with."""


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
        status: Of HTTP.
        message: What happened and what was expected.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message
