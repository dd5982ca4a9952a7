"""Words that messages of every package share."""


def counted(number: int, noun: str) -> str:
    """Returns ``1 user``, or ``1,200 users``.

    Args:
        number: How many there are.
        noun: What they are, in the singular; its plural ends in "s".
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
