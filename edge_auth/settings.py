"""What an edge function is told when it is built: where documents are, whom to believe, what its distribution carries.

Lambda@Edge has no environment variables ("Restrictions on Lambda@Edge"), so this is a JSON file in the package. It may
leave out where to look and name a parameter of SSM Parameter Store instead, whose value is the rest of the file. The
public keys are always the package's own: whoever may change the parameter can send the function elsewhere, and it
believes nothing there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Self

from gateway.cors import Cors
from gateway.identity.encoding import decode_base64url
from gateway.policy.model import Algorithm, Backend, Carriage

PACKAGED: Final = frozenset({"public_keys", "parameter", "base", "throttle"})
"""What a parameter can't say: whom to believe, and who counts."""

_MEMBERS: Final = PACKAGED | {
    "documents",
    "origins",
    "carriage",
    "lifetime",
    "stale_limit",
    "budget",
    "leeway",
    "max_token_lifetime",
}


class SettingsError(ValueError):
    """The settings can't be used; the message is a sentence that names the member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Where the rest of the settings is: a parameter of SSM Parameter Store in a Region.

    `endpoint` is an SSM's base URL where it is not AWS's.
    """

    name: str
    region: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where documents are: a bucket by Region, the Region of a function that runs in any other, and a prefix.

    `endpoint` is an S3 service's base URL where it is not AWS's.
    """

    buckets: Mapping[str, str]
    region: str
    prefix: str = ""
    endpoint: str | None = None

    def near(self, region: str) -> tuple[str, str]:
        """The Region and the bucket for a function that runs in `region`."""
        chosen = region if region in self.buckets else self.region
        return chosen, self.buckets[chosen]


class ThrottleKind(Enum):
    """How tenants with a rate or a quota are held to them (docs/reference/edge.md, "Rates and quotas")."""

    REFUSE = "refuse"
    LEASED = "leased"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Who counts. For `SHARED`: the gateway's DynamoDB `table` in its home `region`, where quotas are counted.

    `near` are Regions that have a table of this name of their own for rates: a function in or near one of them takes
    its tokens there, so that a tenant's rate holds in each of these Regions; without any it holds in the world.
    `endpoint` is a DynamoDB's base URL where it is not AWS's.
    """

    kind: ThrottleKind = ThrottleKind.REFUSE
    table: str = ""
    region: str = ""
    near: tuple[str, ...] = ()
    endpoint: str | None = None

    def for_rates(self, region: str) -> str:
        """The Region whose table has the rates of a function that runs in `region`."""
        return region if region in self.near else self.region


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is not in the documents. Seconds throughout; `budget` is for all waiting of one decision."""

    public_keys: Mapping[str, bytes] = field(repr=False)
    places: Places
    base: str = "/edge"
    cors: Cors = field(default_factory=Cors)
    carriage: Carriage = field(default_factory=lambda: Carriage(backend=Backend.EDGE))
    lifetime: float = 30.0
    stale_limit: float = 300.0
    budget: float = 3.0
    leeway: float = 0.0
    max_token_lifetime: float = 31 * 86_400.0
    throttle: Throttle = field(default_factory=Throttle)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The settings of a decoded file, a parameter's value already in it; raises `SettingsError`."""
        if unknown := sorted(set(values) - _MEMBERS):
            raise SettingsError(f"{', '.join(unknown)}: no such setting")
        try:
            numbers = {name: float(values[name]) for name in _NUMBERS if name in values}
            return cls(
                public_keys={name: decode_base64url(key) for name, key in values["public_keys"].items()},
                places=_places(values["documents"]),
                base=values.get("base", "/edge"),
                cors=Cors.of(values.get("origins", ())),
                carriage=_carriage(values.get("carriage", {})),
                throttle=_throttle(values.get("throttle", {})),
                **numbers,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(f"the settings can't be used ({type(error).__name__}: {error})") from error


_NUMBERS: Final = ("lifetime", "stale_limit", "budget", "leeway", "max_token_lifetime")


def parameter_of(values: Mapping[str, Any]) -> Parameter | None:
    """The parameter that has the rest, None where the file has it all; raises `SettingsError`."""
    named = values.get("parameter")
    if named is None:
        return None
    try:
        return Parameter(**named)
    except TypeError as error:
        raise SettingsError("parameter: this is a name and a region") from error


def with_parameter(values: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """The file's settings and the parameter's; raises `SettingsError` for one that only the package may say."""
    if taken := sorted(set(rest) & PACKAGED):
        raise SettingsError(f"{', '.join(taken)}: only the package says this")
    return {**values, **rest}


def _places(values: Mapping[str, Any]) -> Places:
    places = Places(**values)
    if places.region not in places.buckets:
        raise SettingsError("documents: there is no bucket in the region that stands for the others")
    return places


def _throttle(values: Mapping[str, Any]) -> Throttle:
    told = {**values, "kind": ThrottleKind(values.get("kind", "refuse")), "near": tuple(values.get("near", ()))}
    throttle = Throttle(**told)
    if throttle.kind is ThrottleKind.SHARED and not (throttle.table and throttle.region):
        raise SettingsError("throttle: a table and its region are missing")
    return throttle


def _carriage(values: Mapping[str, Any]) -> Carriage:
    """What the origin request policy lists, as `gateway.server.carriages` has it; null or left out: anything."""
    checksums = _names(values.get("checksums"))
    return Carriage(
        backend=Backend.EDGE,
        advice=values.get("advice", Carriage(backend=Backend.EDGE).advice),
        checksums=None if checksums is None else frozenset(Algorithm(name) for name in checksums),
        metadata_keys=_names(values.get("metadata_keys")),
        object_headers=_names(values.get("object_headers")),
    )


def _names(value: Any) -> frozenset[str] | None:
    return None if value is None else frozenset(value)
