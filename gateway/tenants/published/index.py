"""The index's parts, made of what each tenant was last written with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.identity.source import JwksSource
from gateway.tenants.published.contents import IndexPart, part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the index says of a tenant, and where its keys come from."""

    issuers: frozenset[str] = frozenset()
    api_keys: frozenset[str] = frozenset()
    sources: frozenset[JwksSource] = frozenset()


def names_of(tenant: str, *states: Listed | None) -> set[str]:
    """Everything by which the index finds the tenant in any of these states."""
    return {tenant}.union(*(state.issuers | state.api_keys for state in states if state is not None))


def parts_with(tenants: Mapping[str, Listed], numbers: Iterable[int], parts: int) -> dict[int, IndexPart]:
    """The parts of these numbers, of an index that is cut into `parts`."""
    wanted = set(numbers)
    issuers: dict[int, dict[str, list[str]]] = {number: {} for number in wanted}
    api_keys: dict[int, dict[str, str]] = {number: {} for number in wanted}
    names: dict[int, list[str]] = {number: [] for number in wanted}
    for tenant, listed in tenants.items() if wanted else ():
        if (part := part_of(tenant, parts)) in wanted:
            names[part].append(tenant)
        for issuer in listed.issuers:
            if (part := part_of(issuer, parts)) in wanted:
                issuers[part].setdefault(issuer, []).append(tenant)
        for key in listed.api_keys:
            if (part := part_of(key, parts)) in wanted:
                api_keys[part][key] = tenant
    return {
        number: IndexPart(
            issuers={issuer: tuple(sorted(named)) for issuer, named in issuers[number].items()},
            api_keys=api_keys[number],
            tenants=tuple(sorted(names[number])),
        )
        for number in wanted
    }
