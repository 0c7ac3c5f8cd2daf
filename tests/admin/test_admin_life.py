"""The life of tenants against a model: whatever is done in whatever order, the API says what a plain dict would."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.identity.testing import Signer
from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.tenants.merge_patch import merged
from tests.admin.bench import BASE, MERGE_PATCH, bench, document

TENANTS = st.sampled_from(["acme", "globex"])
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["active", "suspended", "gone"]),
        "overwrite": st.booleans(),
        "size": st.fixed_dictionaries({"min": st.integers(0, 5), "max": st.integers(0, 5)}),
        "quota": st.fixed_dictionaries({}, optional={"bytes": st.none() | st.integers(-1, 9)}),
        "rate": st.none() | st.just({"per_second": 1, "burst": 2}),
        "tenant": st.sampled_from(["acme", "globex"]),
        "extra": st.just(1),
    },
)
ETAGS = st.sampled_from(["current", "current", "current", "old", "none", "create"])


def filled(tenant: str, body: Any) -> dict[str, Any] | None:
    """The document as it would be in force; None where it is wrong."""
    policy = parse(body)
    return render(policy) if isinstance(policy, Policy) and policy.tenant == tenant else None


class Life(RuleBasedStateMachine):
    """Documents in force and their versions, beside the API's."""

    key: Signer

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.made = bench(Path(self.place.name), self.key)
        self.admin = self.made.__enter__()
        self.loop = asyncio.Runner()
        self.client = self.admin.client()
        self.documents: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, list[dict[str, Any] | None]] = {"acme": [], "globex": []}
        self.etags: dict[str, list[str]] = {"acme": [], "globex": []}

    def teardown(self) -> None:
        self.loop.run(self.client.aclose())
        self.loop.close()
        self.made.__exit__(None, None, None)
        self.place.cleanup()

    def ask(self, method: str, path: str, **said: Any) -> httpx.Response:
        return self.loop.run(self.client.request(method, BASE + path, **said))

    def conditions(self, tenant: str, etag: str) -> dict[str, str]:
        etags = self.etags[tenant]
        match etag:
            case "create":
                return {"if-none-match": "*"}
            case "current" if etags:
                return {"if-match": etags[-1]}
            case "old" if len(etags) > 1:
                return {"if-match": etags[-2]}
            case "old":
                return {"if-match": '"0-never"'}
        return {}

    def changed(self, tenant: str, body: dict[str, Any] | None, etag: str) -> None:
        self.versions[tenant].append(body)
        self.etags[tenant].append(etag)
        if body is None:
            del self.documents[tenant]
        else:
            self.documents[tenant] = body

    def met(self, tenant: str, etag: str) -> int:
        """What the condition comes to for a change of an existing tenant: 200, or the refusal."""
        said = self.conditions(tenant, etag)
        if "if-none-match" in said:
            return 400
        if tenant not in self.documents:
            return 404
        if not said:
            return 428
        return 200 if said["if-match"] == self.etags[tenant][-1] else 412

    @rule(tenant=TENANTS, members=MEMBERS, etag=ETAGS)
    def put(self, tenant: str, members: dict[str, Any], etag: str) -> None:
        body = {**document(tenant), **members}
        said = self.conditions(tenant, etag)
        answer = self.ask("PUT", f"/{tenant}", json=body, headers=said)
        wanted = filled(tenant, body)
        if wanted is None:
            assert answer.status_code == 400
            return
        if tenant not in self.documents:
            expected = 412 if "if-match" in said else 201
        else:
            expected = 412 if "if-none-match" in said else self.met(tenant, etag)
        assert answer.status_code == expected
        if answer.is_success:
            assert answer.json() == wanted
            self.changed(tenant, wanted, answer.headers["etag"])

    @rule(tenant=TENANTS, members=MEMBERS, removed=st.booleans(), etag=ETAGS)
    def patch(self, tenant: str, members: dict[str, Any], removed: bool, etag: str) -> None:
        patch = {**members, **({"types": None} if removed else {})}
        headers = {**self.conditions(tenant, etag), "content-type": MERGE_PATCH}
        answer = self.ask("PATCH", f"/{tenant}", json=patch, headers=headers)
        expected = self.met(tenant, etag)
        if expected == 200:
            wanted = filled(tenant, merged(self.documents[tenant], patch))
            if wanted is None:
                expected = 400
            else:
                assert answer.json() == wanted
                self.changed(tenant, wanted, answer.headers["etag"])
        assert answer.status_code == expected

    @rule(tenant=TENANTS, version=st.integers(0, 6), etag=ETAGS)
    def roll_back(self, tenant: str, version: int, etag: str) -> None:
        headers = self.conditions(tenant, etag)
        answer = self.ask("POST", f"/{tenant}/rollback", json={"version": version}, headers=headers)
        expected, kept = self.met(tenant, etag), self.versions[tenant]
        if version == 0:
            expected = 400
        if expected == 200:
            wanted = kept[version - 1] if version <= len(kept) else None
            if wanted is None:
                expected = 400
            else:
                assert answer.json() == wanted
                self.changed(tenant, wanted, answer.headers["etag"])
        assert answer.status_code == expected

    @rule(tenant=TENANTS, etag=ETAGS)
    def delete(self, tenant: str, etag: str) -> None:
        answer = self.ask("DELETE", f"/{tenant}", headers=self.conditions(tenant, etag))
        expected = self.met(tenant, etag)
        assert answer.status_code == (204 if expected == 200 else expected)
        if expected == 200:
            self.changed(tenant, None, '"of-a-deletion"')

    @invariant()
    def what_is_in_force_is_what_the_model_has(self) -> None:
        listed = self.ask("GET", "").json()["tenants"]
        assert {each["tenant"]: each for each in listed} == self.documents
        for tenant in ("acme", "globex"):
            policy = self.admin.policies.get(tenant)
            assert (None if policy is None else render(policy)) == self.documents.get(tenant)

    @invariant()
    def the_history_is_complete(self) -> None:
        for tenant, kept in self.versions.items():
            answer = self.ask("GET", f"/{tenant}/history")
            assert answer.status_code == (200 if kept else 404)
            if kept:
                assert [version["document"] for version in answer.json()["versions"]] == kept[::-1]


SHORT = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_the_life_of_tenants_is_the_models(signing_key: Signer) -> None:
    """Creations, changes, rollbacks and deletions with right, stale and missing etags."""
    run_state_machine_as_test(type("Life", (Life,), {"key": signing_key}), settings=SHORT)


@pytest.mark.long
def test_the_long_life_of_tenants_is_the_models(signing_key: Signer) -> None:
    """The same, longer and by chance."""
    longer = settings(SHORT, max_examples=100, stateful_step_count=30, derandomize=False)
    run_state_machine_as_test(type("Life", (Life,), {"key": signing_key}), settings=longer)
