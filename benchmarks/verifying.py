"""Verifications a second, every check on: ours, aws-jwt-verify in Node, PyJWT, and cryptography's bare verify.

    .venv/bin/python benchmarks/verifying.py [--rounds 25] [--seconds 0.1] [--clock wall|cpu] [--json FILE]

All verify the same tokens of the same key, in short turns within one run, so that what the machine does meanwhile
hits all alike; on a machine that is busy with other things `--clock cpu` counts processor seconds instead.
`repeated` is one token again and again, as a client sends it; `distinct` is a thousand that are met in turn, so that
nothing read before is of use. `floor` is cryptography's `verify` on bytes that were decoded beforehand: nothing that
checks a signature in this interpreter can be faster. Ratios are to the floor of the same round; what is printed is
their median. Node's part needs `npm ci` in tests/identity.

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
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
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


def token_of(signer: Signer, number: int = 0) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "5be86359-073c-434b-ad2d-a3932222dabe",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "jti": f"af7fcc4c-1e1b-4f6c-a2a5-{number:012x}",
        "client_id": "3n4b5urk1ft4fl3mg5e62d9ado",
        "tenant": "acme",
        "scope": "files:write files:read",
    }
    return signer.token(claims)


class Times:
    """Makes runs, on the wall's clock or the processor's."""

    def __init__(self, *, cpu: bool) -> None:
        self.cpu = cpu
        self._clock = time.process_time if cpu else time.perf_counter

    def __call__(self, call: Callable[..., Any], arguments: Sequence[Sequence[Any]]) -> Run:
        """A run that calls with each of these in turn."""

        def run(count: int) -> float:
            calls = list(islice(cycle(arguments), count))
            start = self._clock()
            for one in calls:
                call(*one)
            return self._clock() - start

        return run


def floor(times: Times, signer: Signer, tokens: Sequence[str]) -> Run:
    public = pyjwt.PyJWK(dict(signer.jwk)).key
    parts = [token.encode().rpartition(b".") for token in tokens]
    bare = [(pyjwt.utils.base64url_decode(signature), signing_input) for signing_input, _, signature in parts]
    if signer.alg == "RS256":
        pad, digest = padding.PKCS1v15(), hashes.SHA256()
        return times(public.verify, [(raw, data, pad, digest) for raw, data in bare])
    if signer.alg == "ES256":
        ecdsa = ec.ECDSA(hashes.SHA256())
        return times(public.verify, [(der(raw), data, ecdsa) for raw, data in bare])
    return times(public.verify, bare)


def der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


def ours(times: Times, signer: Signer, tokens: Sequence[str]) -> Run:
    verifier = JwtVerifier.create(
        issuer=ISSUER, audience=AUDIENCE, scope="files:write", jwks_uri=f"{ISSUER}/.well-known/jwks.json"
    )
    verifier.cache_jwks(jwks(signer))
    return times(verifier.verify, [(token,) for token in tokens])


def gateways(times: Times, signer: Signer, tokens: Sequence[str]) -> Run:
    """The whole of what the gateway does with a token, to a principal."""
    rule = IssuerRule(issuer=ISSUER, audience=(AUDIENCE,), tenant_claim="tenant", jwks_uri=f"{ISSUER}/jwks")
    cache = JwksCache()
    cache.add_jwks(JwksSource(ISSUER, rule.jwks_uri), jwks(signer))
    authenticator = Authenticator([rule], jwks_cache=cache)
    return times(authenticator.authenticate, [(Credential(value=token, is_api_key=False),) for token in tokens])


def pyjwts(times: Times, signer: Signer, tokens: Sequence[str]) -> Run:
    key = pyjwt.PyJWK(dict(signer.jwk))
    algorithms = [signer.alg]
    require = {"require": ["exp", "iss", "aud"]}

    def decode(token: str) -> None:
        pyjwt.decode(token, key, algorithms=algorithms, audience=AUDIENCE, issuer=ISSUER, options=require)  # type: ignore[arg-type]

    return times(decode, [(token,) for token in tokens])


class Node:
    """aws-jwt-verify in a Node process of its own, asked in lines."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(ORACLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """One question, one answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("no pipe")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def prepare(self, times: Times, signer: Signer, tokens: Sequence[str]) -> Run:
        """A run of theirs on the same token, measured inside their process."""
        options = {"issuer": ISSUER, "audience": AUDIENCE, "scope": "files:write"}
        self.ask({"prepare": signer.alg, "jwts": tokens, "jwks": jwks(signer), "options": options})
        seconds = "cpu_seconds" if times.cpu else "seconds"
        return lambda count: float(self.ask({"bench": signer.alg, "count": count})[seconds])

    def close(self) -> None:
        """End the process."""
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
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    node = Node() if shutil.which("node") and (ORACLE.parent / "node_modules").exists() else None
    times = Times(cpu=arguments.clock == "cpu")
    results: dict[str, Any] = {}
    for signer in (rsa_signer("rsa"), ec_signer("ec"), ed25519_signer("ed")):
        for name, count in (("repeated", 1), ("distinct", 1000)):
            tokens = [token_of(signer, number) for number in range(count)]
            runs = {run.__name__: run(times, signer, tokens) for run in (floor, ours, gateways, pyjwts)}
            if node:
                runs["node"] = node.prepare(times, signer, tokens)
            measured = measure(runs, rounds=arguments.rounds, seconds=arguments.seconds)
            results[f"{signer.alg} {name}"] = measured
            print(f"{signer.alg} {name} ({len(tokens[0])} bytes)")
            for who, numbers in measured.items():
                print(f"  {who:8} {numbers['per_second']:>8.0f}/s  {numbers['of_floor']:.2f} of the floor")
    if node:
        node.close()
    costs = {
        code: import_cost(code, rounds=min(arguments.rounds, 7)) for code in (IMPORT_FLOOR, "import gateway.identity")
    }
    results["import"] = {"floor_us": costs[IMPORT_FLOOR], "ours_us": costs["import gateway.identity"]}
    results["import"]["ratio"] = results["import"]["ours_us"] / results["import"]["floor_us"]
    print(f"import: {results['import']['ratio']:.2f} of jwt and cryptography ({results['import']['ours_us']:.0f} us)")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
