"""A tenant's uploads under way, over the workers of a machine."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.asgi.turnstile import Turnstile, cells_of, shared_turnstile


def test_workers_share_a_tenants_bound() -> None:
    """What is under way in one is no room in the other, until it is over; another tenant has its own."""
    seats = shared_turnstile(2)
    one, other = Turnstile(2, seats=seats, number=0), Turnstile(2, seats=seats, number=1)

    assert one.enter("acme")
    assert other.enter("acme")
    assert not one.enter("acme")
    assert not other.enter("acme")
    assert one.enter("globex")
    other.leave("acme")
    assert one.enter("acme")


def test_a_dead_worker_takes_no_room() -> None:
    """Its seat is cleared, and its successor begins with nobody."""
    seats = shared_turnstile(2)
    one, dead = Turnstile(1, seats=seats, number=0), Turnstile(1, seats=seats, number=1)
    assert dead.enter("acme")
    assert not one.enter("acme")

    Turnstile(1, seats=seats, number=1)

    assert one.enter("acme")


def test_a_forked_worker_is_seen() -> None:
    """The memory is the same in every process."""
    seats = shared_turnstile(2)
    one = Turnstile(1, seats=seats, number=0)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if Turnstile(1, seats=seats, number=1).enter("acme") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    assert not one.enter("acme")


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcd"), st.booleans()), max_size=60),
    most=st.integers(1, 4),
)
def test_never_more_than_the_bound_and_never_fewer(steps: list[tuple[int, str, bool]], most: int) -> None:
    """Whatever workers do one after the other, somebody is let in exactly while there is room."""
    assert len({cells_of(tenant) for tenant in "abcd"}) == 4
    seats = shared_turnstile(3)
    workers = [Turnstile(most, seats=seats, number=number) for number in range(3)]
    there: list[tuple[int, str]] = []
    for number, tenant, comes in steps:
        if comes:
            room = sum(name == tenant for _, name in there) < most
            assert workers[number].enter(tenant) == room
            there += [(number, tenant)] if room else []
        elif (number, tenant) in there:
            there.remove((number, tenant))
            workers[number].leave(tenant)
