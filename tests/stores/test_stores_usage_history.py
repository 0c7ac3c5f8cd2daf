"""The contract of `UsageHistory`."""

from gateway.tenants.ledger import Usage
from gateway.tenants.stores import Stores
from gateway.tenants.usage_history import KEPT_FOR, MOST, SLOT, UsageSample

NOW = 1_800_000_000.0
"""The beginning of a slot."""


def _sample(at: float, size: int, tenant: str = "acme") -> UsageSample:
    usage = Usage(bytes=size, objects=1, reserved_bytes=2 * size, reserved_objects=3)
    return UsageSample(tenant=tenant, at=at, usage=usage)


def test_the_last_sample_of_a_slot_stays(stores: Stores) -> None:
    """Oldest first, of one tenant, also when several of a slot are kept at once."""
    stores.history.keep([_sample(NOW, 1), _sample(NOW + 1.5, 2), _sample(NOW + SLOT, 3), _sample(NOW, 9, "globex")])
    stores.history.keep([_sample(NOW + SLOT + 1, 4)])
    stores.history.keep([])

    assert stores.history.since("acme", NOW) == (_sample(NOW + 1.5, 2), _sample(NOW + SLOT + 1, 4))
    assert stores.history.since("globex", NOW) == (_sample(NOW, 9, "globex"),)
    assert stores.history.since("nobody", NOW) == ()


def test_what_was_so_before_leads(stores: Stores) -> None:
    """The usage at a moment is that of the last sample before it, in its slot or an earlier one."""
    samples = tuple(_sample(NOW + number * SLOT + 10, number) for number in range(5))
    stores.history.keep(samples)

    assert stores.history.since("acme", NOW) == samples
    assert stores.history.since("acme", NOW + 2 * SLOT + 9) == samples[1:]
    assert stores.history.since("acme", NOW + 2 * SLOT + 10) == samples[2:]
    assert stores.history.since("acme", NOW + 2 * SLOT + 11) == samples[2:]
    assert stores.history.since("acme", NOW + 99 * SLOT) == samples[4:]


def test_a_full_history_is_answered_whole(stores: Stores) -> None:
    """As many as a tenant can have, with the widest numbers."""
    widest = Usage(bytes=2**63 - 1, objects=2**63 - 1, reserved_bytes=2**63 - 1, reserved_objects=2**63 - 1)
    samples = tuple(
        UsageSample(tenant="t" * 63, at=NOW + number * SLOT + 0.123456, usage=widest) for number in range(MOST - 1)
    )
    stores.history.keep(samples)

    assert stores.history.since("t" * 63, NOW) == samples


def test_sqlite_forgets_what_is_old(tmp_path: object) -> None:
    """All but the last one before what is kept."""
    from pathlib import Path

    from gateway.tenants.stores import open_sqlite

    stores = open_sqlite(Path(str(tmp_path)) / "stores.db")
    for number in range(4):
        stores.history.keep([_sample(NOW + number * SLOT, number)])
    stores.history.keep([_sample(NOW + KEPT_FOR + 2 * SLOT + 1, 9)])

    assert [each.usage.bytes for each in stores.history.since("acme", 0)] == [2, 3, 9]
