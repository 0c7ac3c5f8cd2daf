"""One request tried without sending it: what would be decided, and what each rule said.

The walk is the real one. The request is built as a client would send it and read by the same intake, the rules are
`gateway.policy.decide`'s, and rate and quota are looked at without taking anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final
from urllib.parse import quote

from gateway.identity.errors import JwtParseError
from gateway.identity.rules import binding, scopes
from gateway.identity.rules import tenant as bound_tenant
from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import RULES, Outcome, explain
from gateway.policy.grant import Grant
from gateway.policy.model import Backend, Carriage, Intent, IssuerRule, Minted, Policy, Principal
from gateway.policy.problems import Code, Fault, Refusal
from gateway.tenants.ledger import Ledger
from gateway.tenants.rate import RateBuckets, bucket_of
from gateway.tenants.service import invalid

BEFORE: Final = ("method", "framing", "query", "token")
"""What is asked before the rules of `decide`, in the contract's order."""

AFTER: Final = ("rate", "quota")
"""What is asked behind them."""

NAMES: Final = (*BEFORE, *(rule.name for rule in RULES), *AFTER)
"""Every rule that an evaluation names, in the order of refusals."""

OWN_MEMBERS: Final = frozenset({"authorization", "content-length", "content-type"})
"""Headers that a question says in members of its own."""

_RULE_OF: Final = {Code.METHOD_NOT_ALLOWED: "method", Code.QUERY_NOT_ALLOWED: "query"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request: `name` as it is meant (not encoded), `size` in bytes, `claims` as a verified token would have them."""

    backend: Backend
    name: str
    size: int
    content_type: str | None
    headers: tuple[tuple[str, str], ...]
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What would be decided under which version of the document, and every rule of `NAMES` with its outcome."""

    decision: Grant | Refusal
    policy_version: int
    rules: tuple[tuple[str, Outcome], ...]


class Evaluator:
    """Answers questions; `clock` gives epoch seconds, `shared` are the operator's issuers that speak for tenants."""

    def __init__(
        self,
        *,
        carriages: Mapping[Backend, Carriage],
        ledger: Ledger,
        rates: RateBuckets,
        shared: Sequence[IssuerRule],
        mint: Callable[[], Minted],
    ) -> None:
        self._carriages = carriages
        self._ledger = ledger
        self._rates = rates
        self._shared = shared
        self._mint = mint

    def evaluate(self, policy: Policy, version: int, question: Question) -> Evaluation | Refusal:
        """The evaluation; a refusal where the question itself is wrong. May raise `StoreUnavailableError`."""
        principal = self._principal(policy, question.claims)
        if isinstance(principal, Refusal) and principal.code is Code.REQUEST_INVALID:
            return principal
        intent = self._intent(question)
        if isinstance(intent, Refusal):
            return _evaluation(intent, _RULE_OF.get(intent.code, "framing"), version)
        if isinstance(principal, Refusal):
            return _evaluation(principal, "token", version)
        explained = explain(principal, policy, intent)
        refused = next((name for name, outcome in explained.walk if outcome is Outcome.REFUSED), None)
        if refused is not None:
            return _evaluation(explained.decision, refused, version)
        return self._with_room(explained.decision, policy, principal, intent, version)

    def _with_room(
        self, decision: Grant | Refusal, policy: Policy, principal: Principal, intent: Intent, version: int
    ) -> Evaluation:
        late = self._rate(policy, principal, intent.minted.at)
        if late is not None:
            return _evaluation(late, "rate", version)
        full = self._quota(policy, intent.size or 0)
        return _evaluation(full or decision, None if full is None else "quota", version)

    def _intent(self, question: Question) -> Intent | Refusal:
        """The request as the front of its backend would read it."""
        base = f"/{question.backend}"
        own = (("content-length", str(question.size)),)
        typed = () if question.content_type is None else (("content-type", question.content_type),)
        headers = tuple((name, _on_the_wire(value)) for name, value in (*own, *typed, *question.headers))
        raw = RawRequest(method="PUT", path=f"{base}/{quote(question.name)}", query="", headers=headers)
        return read_intent(raw, base=base, carriage=self._carriages[question.backend], minted=self._mint())

    def _principal(self, policy: Policy, claims: Mapping[str, Any]) -> Principal | Refusal:
        """Whoever a token with these claims would speak for; one without `iss` is taken for a caller of the tenant."""
        issuer = claims.get("iss")
        rule, only = self._rule(policy, issuer)
        if rule is None:
            return Refusal(code=Code.TOKEN_INVALID, detail="The token's issuer is not accepted.")
        subject = claims.get(rule.subject_claim, "")
        if not isinstance(subject, str):
            return invalid("The question is not valid.", Fault(f"/claims/{rule.subject_claim}", "this must be a text"))
        try:
            granted = scopes(claims, rule.scope_claim)
        except JwtParseError:
            told = "this must be a text or a list of texts"
            return invalid("The question is not valid.", Fault(f"/claims/{rule.scope_claim}", told))
        named = bound_tenant(claims, binding(rule, only))
        return Principal(tenant=named, issuer=rule.issuer, subject=subject, scopes=granted)

    def _rule(self, policy: Policy, issuer: object) -> tuple[IssuerRule | None, str | None]:
        """The issuer's entry that would decide, and the one tenant that it speaks for (None: any it names)."""
        if issuer is None:
            return IssuerRule(issuer=""), policy.tenant
        shared = next((rule for rule in self._shared if rule.issuer == issuer), None)
        if shared is not None:
            return shared, None
        return next((rule for rule in policy.issuers if rule.issuer == issuer), None), policy.tenant

    def _rate(self, policy: Policy, principal: Principal, now: float) -> Refusal | None:
        if policy.rate is None:
            return None
        bucket = bucket_of(policy.rate, policy.tenant, principal.issuer, principal.subject)
        level = self._rates.level(bucket, policy.rate, now)
        if level.left >= 1:
            return None
        wait = max(1, ceil(1 / policy.rate.per_second))
        return Refusal(code=Code.RATE_LIMITED, detail="The tenant's rate is used up for now.", retry_after=wait)

    def _quota(self, policy: Policy, size: int) -> Refusal | None:
        """Whether there is no room for `size` bytes more; an overwrite could need less, which only S3 knows."""
        quota, usage = policy.quota, self._ledger.usage(policy.tenant)
        bytes_over = quota.bytes is not None and usage.bytes + usage.reserved_bytes + size > quota.bytes
        objects_over = quota.objects is not None and usage.objects + usage.reserved_objects + 1 > quota.objects
        if not bytes_over and not objects_over:
            return None
        most, held = (
            (quota.bytes, usage.bytes + usage.reserved_bytes)
            if bytes_over
            else (quota.objects, usage.objects + usage.reserved_objects)
        )
        what, left = "bytes" if bytes_over else "objects", max(0, (most or 0) - held)
        detail = f"The tenant may hold {most} {what} and has {left} left, unfinished uploads counted."
        return Refusal(code=Code.QUOTA_EXCEEDED, detail=detail, limit=most)


def _evaluation(decision: Grant | Refusal, refused: str | None, version: int) -> Evaluation:
    """Every rule's outcome, as the walk ends at the first that refuses."""
    at = len(NAMES) if refused is None else NAMES.index(refused)
    ahead = [(name, Outcome.PASSED) for name in NAMES[:at]]
    behind = [(name, Outcome.NOT_REACHED) for name in NAMES[at + 1 :]]
    walk = ahead if refused is None else [*ahead, (refused, Outcome.REFUSED), *behind]
    return Evaluation(decision=decision, policy_version=version, rules=tuple(walk))


def _on_the_wire(value: str) -> str:
    """A header's value as a server reads its bytes: UTF-8 as latin-1."""
    return value.encode("utf-8", "surrogatepass").decode("latin-1")
