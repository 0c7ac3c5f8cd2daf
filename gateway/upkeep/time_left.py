"""How long a function may still work, so that it ends in order and not by Lambda's hand."""

from typing import Final

RESERVE: Final = 5.0
"""Seconds that are left for an orderly end."""

WITHOUT_CONTEXT: Final = 50.0
"""Seconds where nobody says."""


def time_left(context: object) -> float:
    """Seconds, by Lambda's context (Lambda Developer Guide, "Using the Lambda context object")."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return WITHOUT_CONTEXT if ask is None else max(float(ask()) / 1000 - RESERVE, 0.0)
