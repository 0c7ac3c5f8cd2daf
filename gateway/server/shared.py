"""What the workers of one machine share beside the store: what they count, and each tenant's uploads under way."""

from dataclasses import dataclass
from typing import Self

from gateway.asgi.turnstile import shared_turnstile
from gateway.metrics.board import metrics_seats, vacated
from gateway.seats import Seats


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMemory:
    """Memory that is made before the workers are forked, a seat for each."""

    metrics: Seats
    turnstile: Seats

    @classmethod
    def of(cls, workers: int) -> Self:
        """For so many workers."""
        return cls(metrics=metrics_seats(workers), turnstile=shared_turnstile(workers))

    def vacated(self, number: int) -> None:
        """A worker is gone, and with it what it had under way."""
        vacated(self.metrics, number)
        self.turnstile.clear(number)
