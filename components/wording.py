"""Phrases that messages of all packages share."""


def counted(number: int, noun: str) -> str:
    """Returns ``1 user``, or ``1,200 users``.

    Args:
        number: How many there are.
        noun: The noun in the singular; its plural must end in "s".
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
