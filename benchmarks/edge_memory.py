"""The memory of an edge function that visits many tenants, each with a document of its own.

    .venv/bin/python benchmarks/edge_memory.py [--tenants 10000] [--keys 2] [--api-keys 5]

Every tenant has an issuer with so many RSA keys and so many API keys. What signs and what is asked is made on the way,
in the same process, so that the figure is rather too large. Said is the resident memory's peak (`VmHWM`) after the
import and after all visits, documents that are kept at the end, and the verdicts.
"""

import argparse
import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_auth.assembly import Clocks, assemble
from edge_auth.settings import Settings
from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.source import JwksSource
from gateway.identity.testing import ec_signer, rsa_signer
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.storage.small import SmallObject
from gateway.tenants.published.contents import public_keys, root_content, tenant_content
from gateway.tenants.published.signing import Document, SigningPair, seal

SHARED = IssuerRule(
    issuer="https://login.example", audience=("gw",), tenant_claim="tenant", jwks_uri="https://l.example/j"
)
PAIR = SigningPair.from_bytes("k1", bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Made:
    """S3 whose documents are made when they are asked for."""

    jwks: tuple[Mapping[str, Any], ...]
    shared: Mapping[str, Any]
    api_keys: int

    def get(self, key: str, *, within: float) -> SmallObject:
        """The document of any tenant."""
        del within
        now = time.time()
        document = Document(name=key, version=1, issued_at=now, not_after=now + 3600, content=self._content(key))
        return SmallObject(seal(document, PAIR), '"e"')

    def _content(self, key: str) -> dict[str, Any]:
        if key == "root":
            return root_content([SHARED], {_source(SHARED): public_keys([self.shared])}, 16)
        tenant = key.removeprefix("tenants/")
        own = IssuerRule(issuer=f"https://{tenant}.example", audience=("gw",), jwks_uri=f"https://{tenant}.example/j")
        policy = Policy(
            tenant=TenantId(tenant), types={"image/*": (), "text/csv": (".csv",), "*/*": ()}, issuers=(own,)
        )
        records = [
            ApiKeyRecord(id=f"{tenant}{n}", tenant=tenant, name="", digest="0" * 64, scopes=("a",), created_at=0.0)
            for n in range(self.api_keys)
        ]
        return tenant_content(policy, 1, {_source(own): public_keys(self.jwks)}, records)


def _source(rule: IssuerRule) -> JwksSource:
    return JwksSource(rule.issuer, rule.jwks_uri)


def peak() -> int:
    """Bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=2)
    parser.add_argument("--api-keys", type=int, default=5)
    options = parser.parse_args()
    key = ec_signer("one")
    made = Made(tuple(rsa_signer(f"k{n}").jwk for n in range(options.keys)), key.jwk, options.api_keys)
    settings = {
        "public_keys": {"k1": base64.urlsafe_b64encode(PAIR.public).decode().rstrip("=")},
        "documents": {"buckets": {"us-east-1": "documents"}, "region": "us-east-1"},
    }
    handler = assemble(Settings.read(settings), made, Clocks(wall=time.time, monotonic=time.monotonic))
    before, verdicts = peak(), Counter[str]()
    for number in range(options.tenants):
        claims = {"iss": SHARED.issuer, "aud": "gw", "sub": "s", "scope": "files:write", "exp": time.time() + 600}
        token = key.token({**claims, "tenant": f"t{number}"})
        headers = {
            "authorization": [{"value": f"Bearer {token}"}],
            "content-length": [{"value": "5"}],
            "content-type": [{"value": "image/png"}],
        }
        request = {"clientIp": "203.0.113.1", "method": "PUT", "uri": "/edge/a.png", "headers": headers}
        verdicts[handler({"Records": [{"cf": {"request": request}}]}, None).get("status", "granted")] += 1
    print(json.dumps({"after import": before, "peak": peak(), "verdicts": verdicts, "modules": len(sys.modules)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
