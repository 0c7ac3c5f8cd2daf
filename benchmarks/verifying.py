"""Verifications a second, every check on: ours, aws-jwt-verify in Node, PyJWT, and cryptography's bare verify.

    .venv/bin/python benchmarks/verifying.py [--rounds 7] [--seconds 0.5] [--json FILE]

All verify the same token of the same key, in turns within one run, so that what the machine does meanwhile hits all
alike. `floor` is cryptography's `verify` on bytes that were decoded beforehand: nothing that checks a signature in this
interpreter can be faster. Ratios are to the floor of the same round; what is printed is their median. Node's part
needs `npm ci` in tests/identity.

The import's cost is measured in fresh interpreters: `import gateway.identity` against `import jwt, cryptography` with
what a verifier needs of them.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.identity import Authenticator, Credential, JwksCache, JwksSource, JwtVerifier
from gateway.identity.testing import Signer, ec_signer, ed25519_signer, jwks, rsa_signer
from gateway.policy.model import IssuerRule

ORACLE = Path(__file__).parent.parent / "tests" / "identity" / "oracle.cjs"
ISSUER = "https://issuer.example"
AUDIENCE = "upload-gateway"

Run = Callable[[int], float]
"""Verify so many times; the seconds it took."""

IMPORT_FLOOR = (
    "import jwt, jwt.algorithms, cryptography.hazmat.primitives.asymmetric.rsa, "
    "cryptography.hazmat.primitives.asymmetric.ec, cryptography.hazmat.primitives.asymmetric.ed25519"
)


def token_of(signer: Signer) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "5be86359-073c-434b-ad2d-a3932222dabe",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "jti": "af7fcc4c-1e1b-4f6c-a2a5-5fb9b1b7a8b5",
        "client_id": "3n4b5urk1ft4fl3mg5e62d9ado",
        "tenant": "acme",
        "scope": "files:write files:read",
    }
    return signer.token(claims)


def times(call: Callable[[], Any]) -> Run:
    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            call()
        return time.perf_counter() - start

    return run


def floor(signer: Signer, token: str) -> Run:
    signing_input, _, signature = token.encode().rpartition(b".")
    public = pyjwt.PyJWK(dict(signer.jwk)).key
    raw = pyjwt.utils.base64url_decode(signature)
    if signer.alg == "RS256":
        pad, digest = padding.PKCS1v15(), hashes.SHA256()
        return times(lambda: public.verify(raw, signing_input, pad, digest))
    if signer.alg == "ES256":
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        ecdsa = ec.ECDSA(hashes.SHA256())
        return times(lambda: public.verify(der, signing_input, ecdsa))
    return times(lambda: public.verify(raw, signing_input))


def ours(signer: Signer, token: str) -> Run:
    verifier = JwtVerifier.create(
        issuer=ISSUER, audience=AUDIENCE, scope="files:write", jwks_uri=f"{ISSUER}/.well-known/jwks.json"
    )
    verifier.cache_jwks(jwks(signer))
    return times(lambda: verifier.verify(token))


def gateways(signer: Signer, token: str) -> Run:
    """The whole of what the gateway does with a token, to a principal."""
    rule = IssuerRule(issuer=ISSUER, audience=(AUDIENCE,), tenant_claim="tenant", jwks_uri=f"{ISSUER}/jwks")
    cache = JwksCache()
    cache.add_jwks(JwksSource(ISSUER, rule.jwks_uri), jwks(signer))
    authenticator = Authenticator([rule], jwks_cache=cache)
    credential = Credential(value=token, is_api_key=False)
    return times(lambda: authenticator.authenticate(credential))


def pyjwts(signer: Signer, token: str) -> Run:
    key = pyjwt.PyJWK(dict(signer.jwk))
    algorithms = [signer.alg]
    require = {"require": ["exp", "iss", "aud"]}
    return times(
        lambda: pyjwt.decode(token, key, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER, options=require)  # type: ignore[arg-type]
    )


class Node:
    """aws-jwt-verify in a Node process of its own, asked in lines."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(ORACLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("no pipe")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def prepare(self, signer: Signer, token: str) -> Run:
        options = {"issuer": ISSUER, "audience": AUDIENCE, "scope": "files:write"}
        self.ask({"prepare": signer.alg, "jwt": token, "jwks": jwks(signer), "options": options})
        return lambda count: float(self.ask({"bench": signer.alg, "count": count})["seconds"])

    def close(self) -> None:
        self._process.communicate()


def measure(runs: Mapping[str, Run], *, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Rates and ratios to the floor, medians over rounds in which all take turns."""
    counts = {name: max(100, int(seconds / (run(200) / 200))) for name, run in runs.items()}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(counts[name] / run(counts[name]))
    ratios = {name: [rate / best for rate, best in zip(rates[name], rates["floor"], strict=True)] for name in runs}
    return {
        name: {"per_second": round(statistics.median(rates[name])), "of_floor": statistics.median(ratios[name])}
        for name in runs
    }


def import_cost(statement: str, *, rounds: int) -> float:
    """Median microseconds of all imports of a fresh interpreter, its own start left out."""

    def once(code: str) -> int:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
        )
        return sum(int(line.split("|")[0].split(":")[1]) for line in done.stderr.splitlines()[1:] if "|" in line)

    once(statement)
    return statistics.median(once(statement) - once("pass") for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    node = Node() if shutil.which("node") and (ORACLE.parent / "node_modules").exists() else None
    results: dict[str, Any] = {}
    for signer in (rsa_signer("rsa"), ec_signer("ec"), ed25519_signer("ed")):
        token = token_of(signer)
        runs = {"floor": floor(signer, token), "ours": ours(signer, token), "gateway": gateways(signer, token)}
        runs["pyjwt"] = pyjwts(signer, token)
        if node:
            runs["node"] = node.prepare(signer, token)
        results[signer.alg] = measure(runs, rounds=arguments.rounds, seconds=arguments.seconds)
        print(f"{signer.alg}  ({len(token)} bytes)")
        for name, numbers in results[signer.alg].items():
            print(f"  {name:8} {numbers['per_second']:>8.0f}/s  {numbers['of_floor']:.2f} of the floor")
    if node:
        node.close()
    costs = {code: import_cost(code, rounds=arguments.rounds) for code in (IMPORT_FLOOR, "import gateway.identity")}
    results["import"] = {"floor_us": costs[IMPORT_FLOOR], "ours_us": costs["import gateway.identity"]}
    results["import"]["ratio"] = results["import"]["ours_us"] / results["import"]["floor_us"]
    print(f"import: {results['import']['ratio']:.2f} of jwt and cryptography ({results['import']['ours_us']:.0f} us)")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
