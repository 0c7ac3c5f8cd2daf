"""A quota of fifty, two hundred uploads at once, four workers: whichever way they come in, what S3 holds fits."""

import pytest

from tests.workers.running import Gateway
from tests.workers.standing import Standing, storm

QUOTA = {"bytes": None, "objects": 50}
SIZE = 10


@pytest.mark.parametrize("way", ["proxy", "edge", "presigned", "plan"])
def test_fifty_of_two_hundred_uploads_fit(four_workers: tuple[Gateway, Standing], way: str) -> None:
    """Exactly fifty are stored, the others are told why, and the ledger is what S3 has once all time is over."""
    gateway, standing = four_workers
    tenant = f"fifty-{way}"
    token = standing.tenant(tenant, quota=QUOTA)

    outcomes = storm(gateway.url, token, [(way, f"{number}", bytes(SIZE)) for number in range(200)])
    stored = standing.stored(tenant)
    usage = standing.settled(tenant)

    assert outcomes == {"200": 50, "quota-exceeded": 150}
    assert len(stored) == 50
    assert standing.counted(tenant) == stored
    assert (usage.objects, usage.bytes, usage.reserved_objects, usage.reserved_bytes) == (50, 50 * SIZE, 0, 0)


def test_all_ways_in_share_the_room(four_workers: tuple[Gateway, Standing]) -> None:
    """Fifty in all, and once a URL's time is over what it did not bring is room again."""
    gateway, standing = four_workers
    token = standing.tenant("shared", quota=QUOTA)
    ways = ("proxy", "edge", "presigned", "plan")

    outcomes = storm(gateway.url, token, [(ways[number % 4], f"{number}", bytes(SIZE)) for number in range(200)])
    usage = standing.settled("shared")

    assert outcomes == {"200": 50, "quota-exceeded": 150}
    assert standing.counted("shared") == standing.stored("shared")
    assert (usage.objects, usage.reserved_objects) == (50, 0)
