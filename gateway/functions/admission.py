"""Admission as a Lambda function has it: everything that is shared is in DynamoDB, decisions go to the log."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TextIO

from gateway.admission import Admission
from gateway.allowance import Allowance
from gateway.functions.sdk import sdk_session
from gateway.functions.settings import AdmissionSettings
from gateway.functions.trail import LogTrail
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.journal import Journal
from gateway.minting import minting
from gateway.tenants.aside import Threads
from gateway.tenants.cache import ApiKeyCache, CacheRules, PolicyCache
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.stores import Stores, dynamodb_stores


def function_stores(settings: AdmissionSettings, credentials: Mapping[str, str] = MappingProxyType({})) -> Stores:
    """The stores in the function's table, asked as the function's role or with these `credentials` (boto3's names)."""
    client = make_client(region=settings.region, endpoint=settings.table_endpoint, session=sdk_session(), **credentials)
    return dynamodb_stores(Table(client, settings.table))


def function_admission(
    settings: AdmissionSettings, stores: Stores, aside: Threads, *, out: TextIO, clock: Callable[[], float]
) -> Admission:
    """Admission over these stores; `clock` is the epoch's seconds, `aside` the threads that wait for a network."""
    rules = CacheRules(lifetime=settings.policy_lifetime)
    policies = PolicyCache(
        stores.policies,
        clock=time.monotonic,
        rules=rules,
        allow_private_issuers=settings.allow_private_issuers,
    )
    authenticator = Authenticator(
        settings.issuers,
        directory=policies,
        api_keys=ApiKeyCache(stores.keys, clock=time.monotonic, rules=rules),
        jwks_cache=JwksCache(fetcher=HttpsFetcher(allow_private=settings.allow_private_issuers)),
        clock=clock,
    )
    allowance = Allowance(rates=stores.rates, ledger=stores.ledger, aside=aside, clock=clock)
    journal = Journal(clock=clock, trail=LogTrail(out))
    return Admission(authenticator, policies, minting(clock), allowance, journal, beside=aside)
