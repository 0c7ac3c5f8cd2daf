"""The edge by published documents: who is let in, and the verdict for everything that can be wrong with a document."""

import logging
import threading
from collections.abc import Callable

import pytest

from gateway.identity.apikeys import mint_api_key
from gateway.storage.small import ObjectError, SmallObject
from gateway.tenants.published.contents import part_name, part_of, tenant_content
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


Fault = Callable[[Edge, str], object]
"""Something that goes wrong with one document, by its name."""


def garbage(edge: Edge, name: str) -> None:
    edge.bucket.objects[name] = b"\xffgarbage"


def cut(edge: Edge, name: str) -> None:
    edge.bucket.objects[name] = edge.bucket.objects[name][:-1]


def flipped(edge: Edge, name: str) -> None:
    body = edge.bucket.objects[name]
    edge.bucket.objects[name] = body[:-9] + bytes([body[-9] ^ 1]) + body[-8:]


def forged(edge: Edge, name: str) -> None:
    edge.again(name, pair=FORGER)


def another_s(edge: Edge, name: str) -> None:
    edge.bucket.objects[name] = edge.put("tenants/globex", edge.contents[name], version=9)


def over(edge: Edge, name: str) -> None:
    edge.again(name, at=edge.wall - LIFETIME)


def to_come(edge: Edge, name: str) -> None:
    edge.again(name, at=edge.wall + 3600)


def of_another_format(edge: Edge, name: str) -> None:
    edge.put(name, {"policy": {"version": 99}}, version=9)


def answered_by(edge: Edge, name: str, error: OSError) -> None:
    """S3 fails for this document alone."""

    def fault(key: str) -> SmallObject | None:
        if key == name:
            raise error
        return SmallObject(edge.bucket.objects[key], '"e"')

    edge.bucket.fault = fault


def refused(edge: Edge, name: str) -> None:
    answered_by(edge, name, ObjectError("GET", 403))


def throttled(edge: Edge, name: str) -> None:
    answered_by(edge, name, ObjectError("GET", 503))


def silent(edge: Edge, name: str) -> None:
    answered_by(edge, name, ConnectionError("S3 is silent"))


FAULTS = [
    *(garbage, cut, flipped, forged, another_s, over, to_come, of_another_format),
    *(refused, throttled, silent),
]

INDEX = part_name(part_of(OWN.issuer, 2), 2)
PLACES = [
    ("root", Edge.token, "identity-unavailable"),
    ("tenants/acme", Edge.token, "storage-unavailable"),
    (INDEX, Edge.own_token, "identity-unavailable"),
    ("tenants/acme", Edge.own_token, "identity-unavailable"),
]
"""A document, a token that can't be judged without it, and the problem that the caller is told."""


def named(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("name", "token", "code"), PLACES, ids=named)
@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_cold_function_refuses_what_it_can_not_believe(
    fault: Fault, name: str, token: Callable[[Edge], str], code: str, edge: Edge
) -> None:
    """`503`, with a time to come back; nothing is decided by such a document."""
    fault(edge, name)

    assert edge.ask(token(edge)) == (503, code)
    assert 1 <= edge.wait() <= 5


@pytest.mark.parametrize(("name", "token", "code"), PLACES, ids=named)
@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_warm_function_goes_on_with_what_it_has_for_a_while(
    fault: Fault, name: str, token: Callable[[Edge], str], code: str, edge: Edge
) -> None:
    """And then refuses; when all is well again, it goes on."""
    assert edge.ask(token(edge)) == GRANTED
    good = dict(edge.bucket.objects)
    fault(edge, name)

    edge.advance(31)
    assert edge.ask(token(edge)) == GRANTED
    edge.advance(300)
    assert edge.ask(token(edge)) == (503, code)
    assert 1 <= edge.wait() <= 5

    edge.bucket.fault = None
    edge.bucket.objects = good
    edge.advance(2)
    assert edge.ask(token(edge)) == GRANTED


@pytest.mark.parametrize(("name", "token", "code"), PLACES, ids=named)
def test_a_slow_s3_is_not_waited_for_longer_than_the_budget(name: str, token: Callable[[Edge], str], code: str) -> None:
    """The function answers before it would be killed: cold it refuses, warm it goes on with what it has."""
    cold, warm = Edge(budget=0.05), Edge(budget=0.05)
    release = threading.Event()
    for edge in (cold, warm):
        edge.publish()
    assert warm.ask(token(warm)) == GRANTED
    for edge in (cold, warm):
        edge.bucket.fault = hanging(release, name, edge.bucket)
    warm.advance(31)

    assert [cold.ask(token(cold)) for _ in range(3)] == [(503, code)] * 3
    assert cold.bucket.asked.count(name) == 1  # the fetch goes on beside it, and one serves all who wait
    assert warm.ask(token(warm)) == GRANTED
    warm.advance(300)
    assert warm.ask(token(warm)) == (503, code)
    release.set()


@pytest.mark.parametrize(("name", "token", "code"), PLACES, ids=named)
def test_a_document_that_vanished_is_a_fault(name: str, token: Callable[[Edge], str], code: str, edge: Edge) -> None:
    """A tenant that ends has a document that says so: deleting objects can't end a tenant, or hide its end."""
    edge.ask(token(edge))
    del edge.bucket.objects[name]

    edge.advance(31)
    assert edge.ask(token(edge)) == GRANTED
    edge.advance(300)
    assert edge.ask(token(edge)) == (503, code)


@pytest.mark.parametrize(
    ("name", "token", "verdict"),
    [
        ("root", Edge.token, (503, "identity-unavailable")),
        (INDEX, Edge.own_token, (503, "identity-unavailable")),
        ("tenants/acme", Edge.token, (403, "tenant-unknown")),
        ("tenants/acme", Edge.own_token, (401, "token-invalid")),
    ],
    ids=named,
)
def test_a_document_that_was_never_there(
    name: str, token: Callable[[Edge], str], verdict: tuple[int, str], edge: Edge
) -> None:
    """The publisher writes the root and every part of the index, so without one nobody is judged; tenants may end."""
    del edge.bucket.objects[name]

    assert [edge.ask(token(edge)) for _ in range(3)] == [verdict] * 3
    assert edge.bucket.asked.count(name) == 1


@pytest.mark.parametrize("name", ["root", INDEX, "tenants/acme"])
def test_an_older_document_is_never_believed_again(name: str, edge: Edge) -> None:
    """A replay of the one from before the suspension, well signed and within its time: the newer one is used."""
    old = edge.bucket.objects[name]
    edge.again(name, version=2)
    edge.put_acme(version=3, status="suspended")
    assert edge.ask(edge.own_token()) == (403, "tenant-suspended")

    edge.bucket.objects[name] = old
    edge.advance(31)
    assert edge.ask(edge.own_token()) == (403, "tenant-suspended")
    for seconds in (300, 900):
        edge.advance(seconds)
        assert edge.ask(edge.own_token())[0] == 503


def test_an_old_document_fools_only_who_has_seen_none_and_only_in_its_time(edge: Edge) -> None:
    """A replay into a cold sandbox: what `not_after` is for."""
    old = edge.bucket.objects["tenants/acme"]
    edge.put_acme(version=2, status="suspended")
    edge.bucket.objects["tenants/acme"] = old
    assert edge.ask() == GRANTED

    edge.advance(LIFETIME - 1)
    edge.again("root", version=2)
    assert edge.ask() == GRANTED
    edge.advance(1)
    assert edge.ask() == (503, "storage-unavailable")


def test_nothing_is_believed_after_its_end(edge: Edge) -> None:
    """Not even what is kept and fresh: `not_after` stands above every lifetime."""
    edge.put_acme(at=START - LIFETIME + 10)
    assert edge.ask() == GRANTED

    edge.advance(11)
    assert edge.ask() == (503, "storage-unavailable")


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_by_an_hour_lets_nobody_in(hours: int, edge: Edge, *, warm: bool) -> None:
    """Behind: documents come from the future, else expired tokens would be good. Ahead: documents are over."""
    token = edge.token(exp=START + 3600)
    assert not warm or edge.ask() == GRANTED
    edge.wall += hours * 3600 + hours

    assert edge.ask(token) == (503, "identity-unavailable")
    assert 1 <= edge.wait() <= 5


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


def test_after_a_failure_s3_is_left_alone_for_a_moment(edge: Edge) -> None:
    """Refusals cost nothing then; a throttled S3 is asked twice, and not again for a second."""
    throttled(edge, "root")
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
    silent(edge, "root")

    assert edge.ask(method="GET") == (405, "method-not-allowed")
    assert edge.ask(querystring="a=b") == (400, "query-not-allowed")
    assert edge.bucket.asked == []


def test_no_log_line_tells_a_token(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    """Nor a signature, nor anything of a document."""
    caplog.set_level(logging.DEBUG)
    token = edge.token()
    edge.ask(token)
    for fault in FAULTS:
        edge.publish()
        fault(edge, "tenants/acme")
        edge.advance(400)
        edge.ask(token)

    assert token not in caplog.text
    assert token.rpartition(".")[2] not in caplog.text
    assert PAIR.key_id + "." not in caplog.text
    assert SHARED.issuer not in caplog.text
