"""The publisher over a real S3: every change arrives, nothing goes back, and a crash opens nothing."""

import json
import threading
from collections.abc import Callable

import pytest

from gateway.identity.apikeys import MintedApiKey, mint_api_key
from gateway.identity.source import JwksSource
from gateway.identity.testing import ec_signer
from gateway.tenants.published.contents import (
    IndexPart,
    PublishedTenant,
    Root,
    part_name,
    part_of,
    read_part,
    read_root,
    read_tenant,
    tenant_name,
)
from gateway.tenants.published.publisher import Publisher
from gateway.tenants.published.signing import Document, DocumentError, Ring, SigningPair
from tests.published.conftest import LIFETIME, PAIR, SHARED, Crash, World, settle

KEY = ec_signer("one")
JWKS = json.dumps({"keys": [KEY.jwk]}).encode()
OWN = {"issuer": "https://id.acme.example", "jwks_uri": "https://id.acme.example/jwks", "audience": ["gw"]}
SOURCE = JwksSource(OWN["issuer"], OWN["jwks_uri"])  # type: ignore[arg-type]


def published(world: World, tenant: str) -> PublishedTenant | None:
    document = world.s3.document(tenant_name(tenant))
    return None if document is None else read_tenant(document.content, tenant)


def part(world: World, text: str) -> IndexPart:
    document = world.s3.document(part_name(part_of(text, world.parts), world.parts))
    return IndexPart() if document is None else read_part(document.content)


def must(document: Document | None) -> Document:
    assert document is not None
    return document


def key_for(world: World, tenant: str) -> MintedApiKey:
    minted = mint_api_key(tenant=tenant, name="k", scopes=("files:write",), now=world.clock())
    assert world.stores.keys.create(minted.record)
    return minted


def test_everything_there_is_is_published_at_the_start(world: World) -> None:
    """Tenants with their API keys, the index that leads to them, and the root."""
    world.tenant("acme", issuers=[OWN])
    key = key_for(world, "acme")

    settle(world.publisher())

    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None
    assert list(acme.api_keys) == [key.record.id]
    assert part(world, str(OWN["issuer"])).issuers == {OWN["issuer"]: ("acme",)}
    assert part(world, key.record.id).api_keys == {key.record.id: "acme"}
    assert part(world, "acme").tenants == ("acme",)
    root: Root = read_root(must(world.s3.document("root")).content)
    assert (root.issuers, root.parts) == ((SHARED,), world.parts)


def test_a_change_that_is_told_is_there_after_one_step(world: World) -> None:
    """And so is a key that was revoked, of which only its id is told."""
    world.tenant("acme")
    key = key_for(world, "acme")
    publisher = world.publisher()
    settle(publisher)

    world.tenant("acme", overwrite=True)
    publisher.tenant_changed("acme")
    world.stores.keys.revoke("acme", key.record.id)
    publisher.key_changed(key.record.id)
    publisher.step()

    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.overwrite
    assert acme.api_keys == {}
    assert part(world, key.record.id).api_keys == {}


def test_a_change_that_nobody_told_is_found(world: World) -> None:
    """By the next look at the stores: a policy, a key, a deletion."""
    world.tenant("acme")
    world.tenant("globex")
    publisher = world.publisher()
    settle(publisher)

    world.tenant("acme", status="suspended")
    world.delete("globex")
    key = key_for(world, "acme")
    world.clock.now += 61
    settle(publisher)

    acme, globex = published(world, "acme"), published(world, "globex")
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.status == "suspended"
    assert list(acme.api_keys) == [key.record.id]
    assert globex is not None
    assert globex.policy is None


def test_what_takes_away_is_written_first_and_the_index_last(world: World) -> None:
    """Whatever the order in which changes were told."""
    for tenant in ("acme", "globex", "initech"):
        world.tenant(tenant)
    publisher = world.publisher()
    settle(publisher)
    world.s3.written.clear()

    world.tenant("acme", overwrite=True, issuers=[OWN])
    world.tenant("globex", status="suspended")
    world.delete("initech")
    for tenant in ("acme", "globex", "initech"):
        publisher.tenant_changed(tenant)
    publisher.step()

    tenants = [name for name in world.s3.written if name.startswith("tenants/")]
    assert set(tenants[:2]) == {"tenants/globex", "tenants/initech"}
    assert tenants[2] == "tenants/acme"
    index = [place for place, name in enumerate(world.s3.written) if name.startswith("index/")]
    assert min(index) > world.s3.written.index("tenants/initech")
    assert min(index) > world.s3.written.index("tenants/acme")


def test_nothing_is_written_twice(world: World) -> None:
    """A tenant that did not change costs nothing until half of its document's time is over."""
    world.tenant("acme")
    publisher = world.publisher()
    settle(publisher)
    world.s3.written.clear()

    world.clock.now += LIFETIME / 2 - 1
    settle(publisher)
    settle(world.publisher())
    assert world.s3.written == []

    world.clock.now += 62
    settle(publisher)
    assert "tenants/acme" in world.s3.written
    assert must(world.s3.document("tenants/acme")).not_after == world.clock.now + LIFETIME


def test_versions_rise_over_restarts_and_clocks_that_go_back(world: World) -> None:
    """A reader that has seen one is never told an older one."""
    world.tenant("acme")
    seen: list[int] = []
    for step in (0, 10, -7200, 1, -86_400):
        world.clock.now += step
        world.tenant("acme", url_lifetime=60 + len(seen))
        settle(world.publisher())
        seen.append(must(world.s3.document("tenants/acme")).version)

    assert seen == sorted(set(seen))


def test_a_tenant_that_comes_back_is_newer_than_its_end(world: World) -> None:
    """Deleted and made again."""
    publisher = world.publisher()
    versions = []
    for change in (lambda: world.tenant("acme"), lambda: world.delete("acme"), lambda: world.tenant("acme")):
        change()
        publisher.tenant_changed("acme")
        settle(publisher)
        versions.append(must(world.s3.document("tenants/acme")).version)

    assert versions == sorted(set(versions))
    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None


@pytest.mark.parametrize("crash_at", range(6))
def test_a_crash_between_any_two_writes_is_made_good(new_world: Callable[[], World], crash_at: int) -> None:
    """After the restart S3 is as it would be; before it, nothing leads to more than the stores said before or after."""
    world = new_world()
    world.tenant("acme", issuers=[OWN])
    world.tenant("globex")
    key = key_for(world, "globex")
    publisher = world.publisher()
    settle(publisher)

    world.delete("globex")
    world.tenant("acme", status="suspended")
    world.tenant("initech", issuers=[{**OWN, "issuer": "https://id.initech.example"}])
    for tenant in ("initech", "acme", "globex"):
        publisher.tenant_changed(tenant)
    world.s3.written.clear()
    world.s3.crash_at = crash_at
    try:
        publisher.step()
    except Crash:
        held = [name for name in world.s3.written if name.startswith("tenants/")]
        assert held == [name for name in ("tenants/acme", "tenants/globex", "tenants/initech") if name in held] or set(
            held[:2]
        ) == {"tenants/acme", "tenants/globex"}
    world.s3.crash_at = None
    settle(world.publisher())

    acme, globex, initech = (published(world, tenant) for tenant in ("acme", "globex", "initech"))
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.status == "suspended"
    assert globex is not None
    assert globex.policy is None
    assert globex.api_keys == {}
    assert initech is not None
    assert initech.policy is not None
    assert part(world, key.record.id).api_keys == {}
    assert "globex" not in part(world, "globex").tenants


def test_two_publishers_lose_nothing_of_each_other(world: World) -> None:
    """One that has not heard of a tenant does not take it out of the index."""
    one, other = world.publisher(), world.publisher()
    world.tenant("acme", issuers=[OWN])
    settle(one)
    settle(other)

    for number in range(6):
        tenant = f"t{number}"
        world.tenant(tenant, issuers=[{**OWN, "issuer": f"https://id.{tenant}.example"}])
        (one, other)[number % 2].tenant_changed(tenant)
        settle((one, other)[number % 2])

    for number in range(6):
        assert part(world, f"https://id.t{number}.example").issuers[f"https://id.t{number}.example"] == (f"t{number}",)


def test_of_several_workers_one_writes_each_change_and_any_takes_over(world: World) -> None:
    """Whoever comes later finds it done; and what a worker that dies leaves undone the others find."""
    world.tenant("acme")
    workers = [world.publisher() for _ in range(3)]
    for worker in workers:
        settle(worker)
    world.tenant("acme", status="suspended")
    world.s3.written.clear()
    workers[1].tenant_changed("acme")
    for _ in range(2):
        for worker in workers:
            settle(worker)
        world.clock.now += 61
    assert world.s3.written.count("tenants/acme") == 1

    world.tenant("acme", status="active")
    world.s3.crash_at = len(world.s3.written)
    workers[1].tenant_changed("acme")
    with pytest.raises(Crash):
        settle(workers[1])
    world.s3.crash_at = None
    world.clock.now += 61
    for worker in (workers[0], workers[2]):
        settle(worker)

    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.status == "active"
    assert world.s3.written.count("tenants/acme") == 2


def test_an_old_state_is_never_put_over_a_newer_one(world: World) -> None:
    """A publisher that looked, was stopped, and goes on, finds that another was there."""
    world.tenant("acme")
    slow, quick = world.publisher(), world.publisher()
    settle(slow)
    settle(quick)
    world.tenant("acme", status="suspended")
    quick.tenant_changed("acme")
    settle(quick)
    written = must(world.s3.document("tenants/acme")).version

    slow.tenant_changed("acme")  # its etag is the one from before
    settle(slow)

    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.status == "suspended"
    assert must(world.s3.document("tenants/acme")).version == written


def test_a_silent_s3_is_asked_again_and_nothing_is_lost(world: World) -> None:
    """With longer and longer pauses."""
    world.tenant("acme")
    publisher = world.publisher()
    settle(publisher)
    world.tenant("acme", overwrite=True)
    publisher.tenant_changed("acme")
    world.s3.silent = True

    waits = [publisher.step() for _ in range(4)]

    assert waits == sorted(waits)
    assert publisher.is_behind
    world.s3.silent = False
    settle(publisher)
    acme = published(world, "acme")
    assert acme is not None
    assert acme.policy is not None
    assert acme.policy.overwrite


def test_issuers_keys_are_published_when_they_come(world: World) -> None:
    """The tenant is there at once, without them; nobody waits for a slow issuer."""
    world.tenant("acme", issuers=[OWN])
    publisher = world.publisher()
    fetched(publisher)
    acme = published(world, "acme")
    assert acme is not None
    assert acme.keys == {SOURCE: None}

    world.issuers.documents[str(OWN["jwks_uri"])] = JWKS
    world.clock.now += 6
    fetched(publisher)

    acme = published(world, "acme")
    assert acme is not None
    keys = acme.keys[SOURCE]
    assert keys is not None
    assert list(keys.keys) == ["one"]


def fetched(publisher: Publisher) -> None:
    """Let the fetches that are due happen, and what comes of them be published."""
    publisher.step()
    while any(known.flying for known in list(publisher._issuer_keys._known.values())):
        threading.Event().wait(0.001)
    publisher.step()


def test_keys_that_come_while_their_tenant_is_written_are_not_forgotten(world: World) -> None:
    """Between the document that is made without them and the list of whom they concern."""
    world.tenant("acme", issuers=[OWN])
    world.issuers.documents[str(OWN["jwks_uri"])] = JWKS
    publisher = world.publisher()
    put = world.s3.objects.put

    def put_late(key: str, body: bytes, *, replaces: str | None, within: float) -> str | None:
        while any(known.flying for known in list(publisher._issuer_keys._known.values())):
            threading.Event().wait(0.001)
        return put(key, body, replaces=replaces, within=within)

    world.s3.objects.put = put_late  # type: ignore[method-assign]
    publisher.step()

    acme = published(world, "acme")
    assert acme is not None
    assert acme.keys[SOURCE] is not None


def test_a_restart_does_not_lose_keys_that_were_published(world: World) -> None:
    """Also while their issuer does not answer; but not for ever."""
    world.tenant("acme", issuers=[OWN])
    world.issuers.documents[str(OWN["jwks_uri"])] = JWKS
    first = world.publisher()
    fetched(first)
    world.issuers.documents.clear()

    again = world.publisher()
    fetched(again)
    acme = published(world, "acme")
    assert acme is not None
    assert acme.keys[SOURCE] is not None

    world.clock.now += 2 * 3600 + 600
    later = world.publisher()
    fetched(later)
    acme = published(world, "acme")
    assert acme is not None
    assert acme.keys[SOURCE] is None


def test_a_document_that_is_garbage_is_written_again(world: World) -> None:
    """Whoever put it there: what is not believed is replaced."""
    world.tenant("acme")
    settle(world.publisher())
    found = world.s3.get(world.s3.prefix + "tenants/acme", within=5)
    assert found is not None
    world.s3.objects.put(world.s3.prefix + "tenants/acme", b"garbage", replaces=found.etag, within=5)
    with pytest.raises(DocumentError):
        world.s3.document("tenants/acme")

    settle(world.publisher())

    assert published(world, "acme") is not None


def test_a_new_key_signs_all_again(world: World) -> None:
    """After a restart with the next key, readers need the old one no more."""
    world.tenant("acme")
    settle(world.publisher())
    before = must(world.s3.document("tenants/acme")).version
    new = SigningPair.from_bytes("k2", bytes(32))

    settle(world.publisher(pair=new, ring=Ring({"k1": PAIR.public, "k2": new.public})))

    only_new = Ring({"k2": new.public})
    for name in ("root", "tenants/acme", *(part_name(number, world.parts) for number in range(world.parts))):
        assert must(world.s3.document(name, only_new)).name == name
    assert must(world.s3.document("tenants/acme", only_new)).version > before


def test_the_thread_publishes_until_it_is_told_to_stop(world: World) -> None:
    """A change wakes it; a stop ends it."""
    publisher, stop = world.publisher(), threading.Event()
    thread = threading.Thread(target=publisher.run, args=(stop,))
    thread.start()
    world.tenant("acme")
    publisher.tenant_changed("acme")
    for _ in range(2_000):
        if published(world, "acme") is not None:
            break
        threading.Event().wait(0.005)
    stop.set()
    publisher.nudge()
    thread.join(10)

    assert not thread.is_alive()
    assert published(world, "acme") is not None
