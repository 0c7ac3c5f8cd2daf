"""The edge function put together: settings and a way to documents in, the handler out.

What runs in CloudFront (`lambda_function`) and what runs on one machine differ in the settings alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_auth.documents import Documents, Objects, Times
from edge_auth.handler import Handler, make_handler
from edge_auth.knowledge import Knowledge, PublishedAuthenticator
from edge_auth.settings import Settings, ThrottleKind
from gateway.admission import Admission, Admitted
from gateway.identity.authenticate import AuthenticatorSettings
from gateway.intake import RawRequest
from gateway.minting import minting
from gateway.policy.model import Carriage
from gateway.policy.problems import Refusal
from gateway.storage.endpoint import Endpoint, domain_of
from gateway.storage.sigv4 import S3, Credentials, Service, Signer
from gateway.storage.small import SmallObjects
from gateway.tenants.published.signing import Ring

if TYPE_CHECKING:  # a function that refuses starts without what counts
    from edge_auth.throttle import Throttles


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """`wall`: seconds since the epoch. `monotonic`: for waiting."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


class PublishedAdmission:
    """Admits requests by published documents: each by one view of them, within one budget of time."""

    def __init__(
        self, documents: Documents, settings: Settings, clocks: Clocks, throttles: "Throttles | None" = None
    ) -> None:
        self._documents = documents
        self._throttles = throttles
        self._budget = settings.budget
        self._clocks = clocks
        self._mint = minting(clocks.wall)
        self._tokens = AuthenticatorSettings(leeway=settings.leeway, max_lifetime=settings.max_token_lifetime)

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage, request_id: str) -> Admitted | Refusal:
        """The grant, or why not; without throttles tenants that have a quota or a rate are refused."""
        until = self._clocks.monotonic() + self._budget
        knowledge = Knowledge(self._documents, until=until)
        authenticator = PublishedAuthenticator(knowledge, self._clocks.wall, self._tokens)
        allowance = None if self._throttles is None else self._throttles.deciding(knowledge, until)
        admission = Admission(authenticator, knowledge, self._mint, allowance)
        return admission.admit_sync(raw, base=base, carriage=carriage, request_id=request_id)


def assemble(settings: Settings, objects: Objects, clocks: Clocks, throttles: "Throttles | None" = None) -> Handler:
    """The handler over documents in `objects`; `throttles` hold tenants to their rates and quotas."""
    documents = Documents(
        objects,
        prefix=settings.places.prefix,
        ring=Ring(settings.public_keys),
        clock=clocks.wall,
        monotonic=clocks.monotonic,
        times=Times(lifetime=settings.lifetime, stale_limit=settings.stale_limit),
    )
    admission = PublishedAdmission(documents, settings, clocks, throttles)
    return make_handler(admission, base=settings.base, carriage=settings.carriage, cors=settings.cors)


def documents_near(settings: Settings, region: str, credentials: Callable[[], Credentials], clocks: Clocks) -> Objects:
    """The objects of the bucket near a function that runs in `region`; `credentials` is asked at every request."""
    chosen, bucket = settings.places.near(region)
    endpoint = (
        Endpoint.aws(bucket, chosen)
        if settings.places.endpoint is None
        else Endpoint.at(settings.places.endpoint, bucket)
    )
    return SmallObjects(endpoint=endpoint, signer=_signing(credentials, chosen, S3), clock=clocks.wall)


def throttles_near(
    settings: Settings, region: str, credentials: Callable[[], Credentials], clocks: Clocks
) -> "Throttles | None":
    """What holds tenants to their rates and quotas, for a function that runs in `region`; None: nothing does."""
    chosen = settings.throttle
    if chosen.kind is ThrottleKind.REFUSE:
        return None
    from edge_auth.throttle import ByShares, ByTable  # noqa: PLC0415 - who refuses starts without
    from gateway.tenants.dynamodb.direct import DYNAMODB, DirectDynamoDb  # noqa: PLC0415 - as above

    if chosen.kind is ThrottleKind.LEASED:
        return ByShares(clocks.wall)

    def dynamodb(place: str) -> DirectDynamoDb:
        origin = chosen.endpoint or f"https://dynamodb.{place}.{domain_of(place)}"
        signer = _signing(credentials, place, DYNAMODB)
        return DirectDynamoDb(origin, signer, clock=clocks.wall, monotonic=clocks.monotonic)

    home, near = dynamodb(chosen.region), chosen.for_rates(region)
    rates = home if near == chosen.region else dynamodb(near)
    return ByTable(chosen.table, home=home, rates=rates, clock=clocks.wall)


def _signing(credentials: Callable[[], Credentials], region: str, service: Service) -> Callable[[], Signer]:
    """The signer of the credentials as they are now; it is kept, with the keys that it derived, until they change."""
    signers: list[Signer] = []

    def signer() -> Signer:
        wanted = credentials()
        if not signers or signers[0].credentials != wanted:
            signers[:] = [Signer(wanted, region, service)]
        return signers[0]

    return signer
