"""`upload-gateway doctor`: everything a gateway needs, looked at, and a sentence about each.

Nothing is changed unless `fix` says so, and then only the bucket's CORS rules and a lifecycle rule where there is none.
"""

import time
from collections.abc import Callable

from gateway.doctor import bucket, edge, machine, tenancy
from gateway.doctor.authority import COMPLETER, NOBODY, OPERATOR, SIGNER, authority
from gateway.doctor.findings import Finding, Status, ok, warn
from gateway.doctor.subject import Subject
from gateway.storage.bucket import BucketSettings
from gateway.storage.calls import S3Calls
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream

_TIMEOUTS = Timeouts(connect=5.0, stall=5.0, answer=10.0)


async def examine(subject: Subject, *, fix: bool, clock: Callable[[], float] = time.time) -> list[Finding]:
    """Every finding, in an order in which the first failure is likely the cause of those after it."""
    found = [ok(f"setting-{name}", value) for name, value in subject.settings]
    found += machine.files(subject.private_files, subject.tls, clock)
    async with Upstream(timeouts=_TIMEOUTS) as upstream:
        found += await _storage(subject, upstream, fix=fix, clock=clock)
        about_tenants, own = await tenancy.tenants(subject)
        found += about_tenants
        found += await tenancy.issuers(subject, own)
        found += await edge.published(subject, clock)
        if subject.listens is not None:
            found.append(await machine.listening(*subject.listens, upstream, secure=subject.tls is not None))
    return found


async def _storage(subject: Subject, upstream: Upstream, *, fix: bool, clock: Callable[[], float]) -> list[Finding]:
    def calls(signer: Signer | None) -> S3Calls:
        return S3Calls(upstream=upstream, endpoint=subject.endpoint, signer=signer, clock=clock)

    found = await bucket.reachable(subject.endpoint, calls(None), clock)
    if found[0].status is Status.FAIL:
        return found
    for duty, signer in ((SIGNER, subject.signer), (COMPLETER, subject.completer), (NOBODY, None)):
        found.append(await authority(duty, calls(signer)))
    if subject.operator is None:
        remedy = "Name the operator's credential in the settings for the time of the examination."
        return [
            *found,
            warn("bucket", "There is no operator's credential, so the bucket's settings are unseen.", remedy),
        ]
    settings = BucketSettings(calls(subject.operator))
    return [
        *found,
        await authority(OPERATOR, calls(subject.operator)),
        await bucket.cors(settings, subject.cors, fix=fix),
        await bucket.abandoned_parts(settings, fix=fix),
        await bucket.public_access(settings),
        await bucket.versioning(settings),
    ]
