"""The one error a user is meant to read."""


class InputError(ValueError):
    """What was given cannot be used: one sentence with the thing, the value and the remedy."""
