"""The contract of `DecisionRing`."""

from gateway.tenants.decisions import KEPT, Decision
from gateway.tenants.stores import Stores

NOW = 1_800_000_000.0


def _decisions(count: int, tenant: str = "acme") -> list[Decision]:
    return [Decision(tenant=tenant, at=NOW + n // 2, members={"name": f"\u00e9{n}", "size": n}) for n in range(count)]


def test_the_last_decisions_come_newest_first(stores: Stores) -> None:
    """Of one tenant, as many as are asked for; at one moment in the order of their keeping."""
    decisions = _decisions(5)
    stores.decisions.keep([*decisions, *_decisions(2, "globex")])
    assert stores.decisions.last("acme", 3) == tuple(decisions[:1:-1])
    assert stores.decisions.last("acme") == tuple(reversed(decisions))
    assert stores.decisions.last("nobody") == ()
    assert stores.decisions.last("acme", 0) == ()


def test_the_oldest_give_way(stores: Stores) -> None:
    """More than are kept are never said."""
    decisions = _decisions(KEPT + 30)
    for start in range(0, len(decisions), 50):
        stores.decisions.keep(decisions[start : start + 50])
    assert stores.decisions.last("acme", 10_000) == tuple(reversed(decisions[30:]))
