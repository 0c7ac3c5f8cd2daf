"""Microseconds a decision takes: raw request to intent, intent to grant, refusals early and late, and `explain`.

No I/O and no credential is in it: what remains is what every upload pays on every backend beside the token and the
signature. Each case runs `--count` times a round, the cases in turns so that a busy moment of the machine meets all;
the median over the rounds is told. Run: `.venv/bin/python benchmarks/deciding.py`.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide, explain
from gateway.policy.document import parse
from gateway.policy.grant import Grant
from gateway.policy.model import Backend, Carriage, Intent, Minted, Policy, Principal
from gateway.policy.problems import Refusal

CALLER = Principal(tenant="acme", issuer="https://issuer.test", subject="s", scopes=frozenset({"files:write"}))
CARRIAGE = Carriage(backend=Backend.PROXY)
MINTED = Minted(at=1_795_000_000.0, uuid="0" * 32)
HEADERS = (
    ("host", "gateway.test"),
    ("user-agent", "curl/8.5.0"),
    ("accept", "*/*"),
    ("authorization", "Bearer " + "x" * 700),
    ("content-type", "image/png"),
    ("content-length", "20480"),
    ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ("x-amz-meta-origin", "benchmark"),
)


def policy() -> Policy:
    document = {
        "version": 1,
        "tenant": "acme",
        "types": {"image/png": [".png"], "image/jpeg": [".jpg", ".jpeg"], "text/*": []},
        "metadata": {"keys": ["origin"]},
    }
    parsed = parse(document)
    if not isinstance(parsed, Policy):
        raise SystemExit(f"the benchmark's document is not valid: {parsed}")
    return parsed


def request(path: str, *extra: tuple[str, str]) -> RawRequest:
    return RawRequest(method="PUT", path=path, query="", headers=(*HEADERS, *extra))


def intent_of(raw: RawRequest) -> Intent:
    intent = read_intent(raw, base="/proxy", carriage=CARRIAGE, minted=MINTED)
    if isinstance(intent, Refusal):
        raise SystemExit(f"the benchmark's request is refused: {intent.detail}")
    return intent


def cases() -> dict[str, Callable[[], object]]:
    rules, plain = policy(), request("/proxy/2026/11/photo.png")
    unicode_name = request("/proxy/2026/11/K%C3%B6ln%20%F0%9F%93%B7.png")
    early, late = request("/proxy/a.png", ("x-amz-acl", "private")), request("/proxy/a.jpg")
    intent = intent_of(plain)
    if not isinstance(decide(CALLER, rules, intent), Grant):
        raise SystemExit("the benchmark's request is not granted")
    return {
        "intake": lambda: intent_of(plain),
        "decide": lambda: decide(CALLER, rules, intent),
        "explain": lambda: explain(CALLER, rules, intent),
        "intake + decide: grant": lambda: decide(CALLER, rules, intent_of(plain)),
        "intake + decide: grant, unicode": lambda: decide(CALLER, rules, intent_of(unicode_name)),
        "intake + decide: header refused": lambda: decide(CALLER, rules, intent_of(early)),
        "intake + decide: type mismatch": lambda: decide(CALLER, rules, intent_of(late)),
    }


def microseconds(case: Callable[[], object], count: int) -> float:
    """Microseconds a call, over `count` calls."""
    began = time.perf_counter()
    for _ in range(count):
        case()
    return (time.perf_counter() - began) / count * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--count", type=int, default=2_000, help="calls of each case a round")
    options = arguments.parse_args()
    measured = cases()
    rounds = [
        {name: microseconds(case, options.count) for name, case in measured.items()} for _ in range(options.rounds)
    ]
    print(f"{'case':34} {'median':>8} {'least':>8} {'most':>8}   microseconds, {options.rounds} rounds")
    for name in measured:
        column = [each[name] for each in rounds]
        print(f"{name:34} {statistics.median(column):8.1f} {min(column):8.1f} {max(column):8.1f}")


if __name__ == "__main__":
    main()
