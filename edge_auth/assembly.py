"""The edge function put together: settings and a way to documents in, the handler out.

What runs in CloudFront (`lambda_function`) and what runs on one machine differ in the settings alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edge_auth.documents import Documents, Objects, Times
from edge_auth.handler import Handler, make_handler
from edge_auth.knowledge import Knowledge, PublishedAuthenticator
from edge_auth.settings import Settings
from gateway.admission import Admission, Admitted
from gateway.identity.authenticate import AuthenticatorSettings
from gateway.intake import RawRequest
from gateway.minting import minting
from gateway.policy.model import Carriage
from gateway.policy.problems import Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.small import SmallObjects
from gateway.tenants.published.signing import Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """`wall`: seconds since the epoch. `monotonic`: for waiting."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


class PublishedAdmission:
    """Admits requests by published documents: each by one view of them, within one budget of time."""

    def __init__(self, documents: Documents, settings: Settings, clocks: Clocks) -> None:
        self._documents = documents
        self._budget = settings.budget
        self._clocks = clocks
        self._mint = minting(clocks.wall)
        self._tokens = AuthenticatorSettings(leeway=settings.leeway, max_lifetime=settings.max_token_lifetime)

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage, request_id: str) -> Admitted | Refusal:
        """The grant, or why not; tenants with a quota or a rate are refused, for nothing here could hold them to it."""
        knowledge = Knowledge(self._documents, until=self._clocks.monotonic() + self._budget)
        authenticator = PublishedAuthenticator(knowledge, self._clocks.wall, self._tokens)
        admission = Admission(authenticator, knowledge, self._mint)
        return admission.admit_sync(raw, base=base, carriage=carriage, request_id=request_id)


def assemble(settings: Settings, objects: Objects, clocks: Clocks) -> Handler:
    """The handler over documents in `objects`."""
    documents = Documents(
        objects,
        prefix=settings.places.prefix,
        ring=Ring(settings.public_keys),
        clock=clocks.wall,
        monotonic=clocks.monotonic,
        times=Times(lifetime=settings.lifetime, stale_limit=settings.stale_limit),
    )
    admission = PublishedAdmission(documents, settings, clocks)
    return make_handler(admission, base=settings.base, carriage=settings.carriage, cors=settings.cors)


def documents_near(settings: Settings, region: str, credentials: Callable[[], Credentials], clocks: Clocks) -> Objects:
    """The objects of the bucket near a function that runs in `region`; `credentials` is asked at every request."""
    chosen, bucket = settings.places.near(region)
    endpoint = (
        Endpoint.aws(bucket, chosen)
        if settings.places.endpoint is None
        else Endpoint.at(settings.places.endpoint, bucket)
    )
    signers: list[Signer] = []

    def signer() -> Signer:
        wanted = credentials()
        if not signers or signers[0].credentials != wanted:
            signers[:] = [Signer(wanted, chosen)]
        return signers[0]

    return SmallObjects(endpoint=endpoint, signer=signer, clock=clocks.wall)
