"""The error that refuses a request."""


class RequestError(Exception):
    """A request cannot be answered.

    Attributes:
        status: HTTP status.
        message: What happened and what was expected.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status, self.message = status, message


def too_many_waiting() -> RequestError:
    """Returns the error of a request that finds the queue full."""
    return RequestError(429, "too many requests are waiting; try again")


def no_answer(seconds: float) -> RequestError:
    """Returns the error of a request that was not answered within some seconds."""
    return RequestError(504, f"no answer within {seconds:g} s")
