"""The edge by published documents: who is let in, and the verdict for everything that can be wrong with a document."""

import logging
import threading
from collections.abc import Callable

import pytest

from gateway.identity.apikeys import mint_api_key
from gateway.storage.small import ObjectError, SmallObject
from gateway.tenants.published.contents import tenant_content
from tests.published.edge import FORGER, LIFETIME, OWN, PAIR, SHARED, START, Edge, acme, hanging

GRANTED = (200, "/acme/a%20b.png")


@pytest.fixture
def edge() -> Edge:
    made = Edge()
    made.publish()
    return made


def test_a_token_of_the_operator_s_issuer_is_let_in(edge: Edge) -> None:
    """By two documents: the root and the tenant's."""
    assert edge.ask() == GRANTED
    assert edge.bucket.asked == ["root", "tenants/acme"]


def test_a_token_of_the_tenant_s_own_issuer_is_let_in(edge: Edge) -> None:
    """The index leads to the tenant, whose document has the entry and the keys."""
    assert edge.ask(edge.own_token()) == GRANTED


def test_an_api_key_is_let_in(edge: Edge) -> None:
    """Its record is in the tenant's document, and a wrong secret is not good enough."""
    key = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=START)
    edge.publish(version=2, api_keys=(key.record,))
    other = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=START)

    assert edge.ask(key.text) == GRANTED
    assert edge.ask(other.text) == (401, "token-invalid")


def test_nothing_is_asked_twice_within_the_lifetime(edge: Edge) -> None:
    """Nor for strangers: an issuer that nobody named, a key that nobody has, a kid that was never published."""
    edge.ask()
    edge.ask(edge.own_token())
    for number in range(20):
        edge.ask(mint_api_key(tenant="acme", name="k", scopes=(), now=START).text)
        edge.ask(edge.token(iss=f"https://evil{number}.example"))
    asked = len(edge.bucket.asked)
    edge.advance(29)

    assert edge.ask() == GRANTED
    assert len(edge.bucket.asked) == asked
    assert asked == 4  # root, both parts of the index, the tenant


def test_strangers_can_not_make_it_ask(edge: Edge) -> None:
    """A tenant is looked up only for a token that is valid; the index has a fixed number of parts."""
    for number in range(50):
        forged = edge.token(tenant=f"t{number}")
        edge.ask(forged[:-4] + "AAAA")
        edge.ask(edge.own_token(iss=f"https://evil{number}.example"))

    assert set(edge.bucket.asked) <= {"root", "index/0-2", "index/1-2"}


def test_a_change_is_in_force_after_the_lifetime(edge: Edge) -> None:
    """Here a suspension."""
    assert edge.ask() == GRANTED
    edge.put_acme(version=2, status="suspended")
    edge.advance(31)

    assert edge.ask() == (403, "tenant-suspended")


def test_a_tenant_that_ended_is_unknown(edge: Edge) -> None:
    """Its document says that there is none."""
    edge.ask()
    edge.put("tenants/acme", tenant_content(None, 2, {}, ()), version=2)
    edge.advance(31)

    assert edge.ask() == (403, "tenant-unknown")
    assert edge.ask(edge.own_token()) == (401, "token-invalid")


def test_a_tenant_that_never_was_is_unknown_and_remembered(edge: Edge) -> None:
    """Asked for once a lifetime."""
    for _ in range(3):
        assert edge.ask(edge.token(tenant="nobody")) == (403, "tenant-unknown")

    assert edge.bucket.asked.count("tenants/nobody") == 1


def test_the_index_alone_opens_nothing(edge: Edge) -> None:
    """What a tenant's document does not have (any more) does not count, whatever the index says."""
    content = acme()
    content["policy"] = {**content["policy"], "issuers": []}
    edge.put("tenants/acme", content, version=2)

    assert edge.ask(edge.own_token()) == (401, "token-invalid")


def test_another_tenant_s_document_opens_nothing(edge: Edge) -> None:
    """A signed document under another's name is not believed."""
    edge.bucket.objects["tenants/globex"] = edge.bucket.objects["tenants/acme"]

    assert edge.ask(edge.token(tenant="globex")) == (503, "storage-unavailable")


Fault = Callable[[Edge], object]


def garbage(edge: Edge) -> None:
    edge.bucket.objects["tenants/acme"] = b"\xffgarbage"


def cut(edge: Edge) -> None:
    edge.bucket.objects["tenants/acme"] = edge.bucket.objects["tenants/acme"][:-1]


def flipped(edge: Edge) -> None:
    edge.bucket.objects["tenants/acme"] = edge.bucket.objects["tenants/acme"].replace(b"active", b"Active")


def forged(edge: Edge) -> None:
    edge.put_acme(version=9, pair=FORGER)


def over(edge: Edge) -> None:
    edge.put_acme(version=9, at=edge.wall - LIFETIME)


def to_come(edge: Edge) -> None:
    edge.put_acme(version=9, at=edge.wall + 3600)


def refused(edge: Edge) -> None:
    def fault(_key: str) -> SmallObject | None:
        raise ObjectError("GET", 403)

    edge.bucket.fault = fault


def throttled(edge: Edge) -> None:
    def fault(_key: str) -> SmallObject | None:
        raise ObjectError("GET", 503)

    edge.bucket.fault = fault


def silent(edge: Edge) -> None:
    def fault(_key: str) -> SmallObject | None:
        raise ConnectionError("S3 is silent")

    edge.bucket.fault = fault


def not_a_tenant(edge: Edge) -> None:
    edge.put("tenants/acme", {"policy": {"version": 99}}, version=9)


FAULTS = [garbage, cut, flipped, forged, over, to_come, refused, throttled, silent, not_a_tenant]


def named(fault: Fault) -> str:
    return fault.__name__


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_cold_function_refuses_what_it_can_not_believe(fault: Fault, edge: Edge) -> None:
    """`503`, with a time to come back; nothing is decided by such a document."""
    fault(edge)

    assert edge.ask()[0] == 503


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_warm_function_goes_on_with_what_it_has_for_a_while(fault: Fault, edge: Edge) -> None:
    """And then refuses; when all is well again, it goes on."""
    assert edge.ask() == GRANTED
    good = dict(edge.bucket.objects)
    fault(edge)

    edge.advance(31)
    assert edge.ask() == GRANTED
    edge.advance(300)
    assert edge.ask()[0] == 503

    edge.bucket.fault = None
    edge.bucket.objects = good
    edge.advance(2)
    assert edge.ask() == GRANTED


def test_a_document_that_vanished_is_a_fault(edge: Edge) -> None:
    """A tenant that ends has a document that says so: deleting objects can't end a tenant, or hide its end."""
    edge.ask()
    del edge.bucket.objects["tenants/acme"]

    edge.advance(31)
    assert edge.ask() == GRANTED
    edge.advance(300)
    assert edge.ask() == (503, "storage-unavailable")


def test_an_older_document_is_never_believed_again(edge: Edge) -> None:
    """A replay of the one from before the suspension, well signed and within its time."""
    old = edge.bucket.objects["tenants/acme"]
    edge.put_acme(version=2, status="suspended")
    assert edge.ask() == (403, "tenant-suspended")

    edge.bucket.objects["tenants/acme"] = old
    for seconds in (31, 300, 900):
        edge.advance(seconds)
        assert edge.ask()[0] in {403, 503}


def test_nothing_is_believed_after_its_end(edge: Edge) -> None:
    """Not even what is kept and fresh: `not_after` stands above every lifetime."""
    edge.put_acme(at=START - LIFETIME + 10)
    assert edge.ask() == GRANTED

    edge.advance(11)
    assert edge.ask()[0] == 503


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_by_an_hour_lets_nobody_in(hours: int, edge: Edge, *, warm: bool) -> None:
    """Behind: documents come from the future, else expired tokens would be good. Ahead: documents are over."""
    token = edge.token(exp=START + 3600)
    assert not warm or edge.ask() == GRANTED
    edge.wall += hours * 3600 + hours

    assert edge.ask(token)[0] == 503


@pytest.mark.parametrize("jump", [-200.0, -30.0])
def test_a_clock_that_is_set_back_makes_nothing_younger(jump: float, edge: Edge) -> None:
    """What was kept is asked for again in time: the other clock goes on."""
    edge.ask()
    asked = len(edge.bucket.asked)
    edge.wall += jump
    edge.mono += 31

    edge.ask()
    assert len(edge.bucket.asked) > asked


def test_a_sandbox_that_was_frozen_asks_again(edge: Edge) -> None:
    """The monotonic clock may have stood still, the wall clock did not."""
    edge.ask()
    edge.put_acme(version=2, status="suspended")
    edge.wall += 100

    assert edge.ask() == (403, "tenant-suspended")


def test_a_slow_s3_is_not_waited_for_longer_than_the_budget() -> None:
    """The function answers before it would be killed; the fetch goes on beside it, and one serves all who wait."""
    edge = Edge(budget=0.05)
    edge.publish()
    release = threading.Event()
    edge.bucket.fault = hanging(release)

    assert [edge.ask()[0] for _ in range(3)] == [503, 503, 503]
    assert edge.bucket.asked == ["root"]

    edge.bucket.fault = None
    release.set()


def test_after_a_failure_s3_is_left_alone_for_a_moment(edge: Edge) -> None:
    """Refusals cost nothing then; a throttled S3 is asked twice, and not again for a second."""
    throttled(edge)
    for _ in range(5):
        assert edge.ask() == (503, "identity-unavailable")
    assert edge.bucket.asked == ["root", "root"]

    edge.bucket.fault = None
    edge.advance(1.1)
    assert edge.ask() == GRANTED


def test_a_tenant_with_a_quota_is_refused(edge: Edge) -> None:
    """Nothing at the edge could hold it to that; another backend can."""
    content = acme()
    content["policy"] = {**content["policy"], "quota": {"bytes": 100, "objects": None}}
    edge.put("tenants/acme", content, version=2)

    assert edge.ask() == (403, "backend-not-allowed")


def test_keys_that_were_not_published_are_not_a_bad_token(edge: Edge) -> None:
    """The issuer could not be asked: come back later."""
    content = acme()
    content["keys"] = [{"issuer": OWN.issuer, "uri": OWN.jwks_uri, "keys": None}]
    edge.put("tenants/acme", content, version=2)

    assert edge.ask(edge.own_token()) == (503, "identity-unavailable")


def test_many_tenants_of_one_issuer_cost_one_document() -> None:
    """The token says which of them it is for; a token for none of them is for nobody."""
    import dataclasses

    from gateway.identity.source import JwksSource
    from gateway.policy.model import Policy, TenantId
    from gateway.tenants.published.contents import IndexPart, part_content, part_name, part_of, public_keys
    from tests.published.edge import OWN_KEY

    edge = Edge()
    edge.publish()
    tenants = tuple(f"t{number}" for number in range(100))
    rule = dataclasses.replace(OWN, tenant_claim="org")
    keys = {JwksSource(OWN.issuer, OWN.jwks_uri): public_keys([OWN_KEY.jwk])}
    number = part_of(OWN.issuer, 2)
    edge.put(part_name(number, 2), part_content(IndexPart(issuers={OWN.issuer: tenants})), version=2)
    for tenant in tenants:
        policy = Policy(tenant=TenantId(tenant), types={"*/*": ()}, issuers=(rule,))
        edge.put(f"tenants/{tenant}", tenant_content(policy, 1, keys, ()))

    assert edge.ask(edge.own_token(org="t42")) == (200, "/t42/a%20b.png")
    assert [name for name in edge.bucket.asked if name.startswith("tenants/")] == ["tenants/t42"]
    assert edge.ask(edge.own_token(org="nobody")) == (403, "tenant-unknown")


def test_refusals_that_need_no_document_need_no_s3() -> None:
    """The order of refusals is the contract's: a bad method is said before anybody is looked up."""
    edge = Edge()
    silent(edge)

    assert edge.ask(method="GET") == (405, "method-not-allowed")
    assert edge.ask(querystring="a=b") == (400, "query-not-allowed")
    assert edge.bucket.asked == []


def test_no_log_line_tells_a_token(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a signature, nor anything of a document."""
    caplog.set_level(logging.DEBUG)
    token = edge.token()
    edge.ask(token)
    for fault in FAULTS:
        fault(edge)
        edge.advance(400)
        edge.ask(token)

    assert token not in caplog.text
    assert token.rpartition(".")[2] not in caplog.text
    assert PAIR.key_id + "." not in caplog.text
    assert SHARED.issuer not in caplog.text
