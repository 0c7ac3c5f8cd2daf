"""An upload's whole life against a model of a few lines, on the real S3: any order of steps, restarts in between."""

import itertools
import secrets
import tempfile
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import Intent, Minted, MultipartRule, Policy, SizeRule, TenantId
from gateway.policy.problems import Refusal
from presigner.bodies import CompletedPart
from presigner.plans import Wanted, carriage_of
from presigner.upload import Strategy
from tests.presigner.bench_of_parts import Bench, caller

PART = 5_242_880
MOST = PART + 10
AGE = 90
BYTES = bytes(range(256)) * (MOST // 256 + 2)
SIZES = (1, 7, PART, PART + 3)
NAMES = ("a.bin", "b/c.bin")

many = settings(
    phases=[Phase.generate],
    stateful_step_count=50,
    max_examples=120,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
few = settings(many, stateful_step_count=25, max_examples=6)


@dataclass
class Modelled:
    """What we know of an upload without asking anybody."""

    sealed: str
    strategy: Strategy
    key: str
    size: int | None
    ends: float
    url: str | None
    headers: dict[str, str]
    state: str = "open"
    parts: dict[int, tuple[int, str]] = field(default_factory=dict)
    answer: dict[str, Any] | None = None

    @property
    def free(self) -> bool:
        """Whether the client cuts the parts."""
        return self.size is None

    def lengths(self) -> dict[int, int]:
        """The parts of a sized upload."""
        assert self.size is not None
        return {1: self.size} if self.size <= PART else {1: PART, 2: self.size - PART}


class UploadLife(RuleBasedStateMachine):
    """Everything that can happen to the uploads of one tenant."""

    store: ClassVar[EmbeddedS3]
    fresh = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="upload-life-")
        self.bench = Bench(self.store, Path(self.folder.name))
        self.uploads: list[Modelled] = []
        self.objects: dict[str, tuple[int, str]] = {}

    @initialize(overwrite=st.booleans())
    def tenant(self, *, overwrite: bool) -> None:
        """A tenant of its own each time, since the bucket is everybody's."""
        self.policy = Policy(
            tenant=TenantId(f"life-{secrets.token_hex(6)}"),
            types={"*/*": ()},
            size=SizeRule(min=1, max=MOST),
            multipart=MultipartRule(part_size=PART, max_age=AGE),
            overwrite=overwrite,
            owner="subject",
        )
        self.who = caller(self.policy)

    def picked(self, data: st.DataObject) -> Modelled:
        """One of the uploads."""
        return data.draw(st.sampled_from(self.uploads))

    def alive(self, upload: Modelled) -> bool:
        """Whether the id is worth anything."""
        return upload.ends > self.bench.now()

    def refused(self, outcome: object) -> str | None:
        """The problem's code."""
        return str(outcome.code) if isinstance(outcome, Refusal) else None

    @rule(
        name=st.sampled_from(NAMES),
        size=st.sampled_from((*SIZES, None)),
        strategy=st.sampled_from([Strategy.PUT, Strategy.MULTIPART, Strategy.MULTIPART]),
    )
    def begin(self, name: str, size: int | None, strategy: Strategy) -> None:
        """Begin one, sized or not."""
        if strategy is Strategy.PUT and size is None:
            return
        intent = Intent(
            carriage=carriage_of(strategy),
            name=name,
            size=size,
            content_type="application/octet-stream",
            checksum=None,
            create_only=False,
            metadata=(),
            object_headers=(),
            minted=Minted(at=self.bench.now(), uuid="u"),
            client="uppy" if size is None else None,
        )
        plan = self.bench.plan(
            self.who, Wanted(intent=intent, strategy=strategy, part_size=None if size is None else PART)
        )
        assert not isinstance(plan, Refusal)
        ends = int(self.bench.now()) + AGE if strategy is Strategy.MULTIPART else self.bench.now() + 10_000
        key = f"{self.policy.tenant}/{name}"
        self.uploads.append(Modelled(plan["id"], strategy, key, size, ends, plan["url"], plan["headers"]))

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), number=st.integers(1, 2), wrong=st.integers(0, 5), length=st.sampled_from(SIZES))
    def send(self, data: st.DataObject, number: int, wrong: int, length: int) -> None:
        """Send a part or the whole; now and then of a length that was not planned, now and then again."""
        upload = self.picked(data)
        if upload.strategy is Strategy.PUT:
            self.send_whole(upload, wrong=wrong == 0)
            return
        number = 4 if upload.free else min(number, len(upload.lengths()))
        if upload.free and upload.parts:
            return  # SeaweedFS keeps a part that is sent again with other bytes beside the first
        signed = self.bench.urls(self.who, upload.sealed, number)
        held = sum(size for at, (size, _) in upload.parts.items() if at != number)
        if upload.state != "open" or not self.alive(upload):
            assert self.refused(signed) == "upload-not-found"
            return
        assert not isinstance(signed, Refusal), (signed, held)
        planned = length if upload.free else upload.lengths()[number]
        body = BYTES[number : number + planned + (wrong == 0)]
        status = self.bench.send(signed.parts[0]["url"], body).status
        assert status == (200 if upload.free or wrong else 403)
        if status == 200:
            upload.parts[number] = (len(body), md5(body).hexdigest())

    def send_whole(self, upload: Modelled, *, wrong: bool) -> None:
        """A PUT, also one whose upload was given up: its URL can't be called back."""
        assert upload.size is not None
        assert upload.url is not None
        body = BYTES[: upload.size + wrong]
        status = self.bench.send(upload.url, body, upload.headers).status
        taken = not self.policy.overwrite and upload.key in self.objects
        assert status == (403 if wrong else 412 if taken else 200)
        if status == 200:
            self.objects[upload.key] = (len(body), md5(body).hexdigest())

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), claim=st.sampled_from(["none", "right", "wrong"]))
    def complete(self, data: st.DataObject, claim: str) -> None:
        """Complete, with the list of parts or without, or with a wrong one."""
        upload = self.picked(data)
        claimed = None
        if claim != "none" and upload.strategy is Strategy.MULTIPART:
            claimed = [CompletedPart(number=at, etag=f'"{etag}"') for at, (_, etag) in sorted(upload.parts.items())]
            claimed += [CompletedPart(number=9, etag="0" * 32)] if claim == "wrong" else []
        outcome = self.bench.complete(self.who, upload.sealed, claimed)
        expected = self.verdict(upload, wrong=claimed is not None and claim == "wrong")
        assert self.refused(outcome) == expected, (upload, outcome)
        if isinstance(outcome, Refusal):
            return
        assert upload.answer in (None, outcome)
        if upload.answer is None:
            self.completed(upload, outcome)

    def completed(self, upload: Modelled, outcome: dict[str, Any]) -> None:
        """It is there now."""
        upload.state, upload.answer = "completed", outcome
        if upload.strategy is Strategy.MULTIPART:
            digests = b"".join(bytes.fromhex(etag) for _, (_, etag) in sorted(upload.parts.items()))
            size = sum(size for size, _ in upload.parts.values())
            self.objects[upload.key] = (size, f"{md5(digests).hexdigest()}-{len(upload.parts)}")
        assert (outcome["size"], outcome["etag"].strip('"')) == self.objects[upload.key]

    def verdict(self, upload: Modelled, *, wrong: bool) -> str | None:
        """What a complete must come to."""
        if not self.alive(upload):
            return "upload-not-found"
        if upload.state == "completed":
            return None
        if upload.state == "aborted":
            return "upload-not-found"
        if upload.strategy is Strategy.PUT:
            there = self.objects.get(upload.key)
            return None if there is not None and there[0] == upload.size else "upload-incomplete"
        held = sum(size for size, _ in upload.parts.values())
        if upload.free and held > MOST:
            return "size-exceeds-limit"
        whole = (
            bool(upload.parts)
            if upload.free
            else {at: size for at, (size, _) in upload.parts.items()} == upload.lengths()
        )
        if not whole or wrong:
            return "upload-incomplete"
        return "object-exists" if not self.policy.overwrite and upload.key in self.objects else None

    @precondition(lambda self: self.uploads)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        """Give one up; what is completed stays, and twice is as once."""
        upload = self.picked(data)
        outcome = self.bench.abort(self.who, upload.sealed)
        if not self.alive(upload):
            assert self.refused(outcome) == "upload-not-found"
            return
        assert outcome is None
        upload.state = "aborted" if upload.state == "open" else upload.state

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), other=st.booleans())
    def strangers_ask(self, data: st.DataObject, *, other: bool) -> None:
        """Another subject, or another tenant, finds nothing, whatever it tries."""
        upload = self.picked(data)
        policy = Policy(tenant=TenantId("life-other"), types={"*/*": ()}) if other else self.policy
        who = caller(policy, "ann" if other else "bob")
        tried = [
            self.bench.detail(who, upload.sealed),
            self.bench.urls(who, upload.sealed, 1),
            self.bench.complete(who, upload.sealed),
            self.bench.abort(who, upload.sealed),
        ]
        assert [self.refused(outcome) for outcome in tried] == ["upload-not-found"] * 4
        assert self.bench.listed(who) == set()

    @rule()
    def restart(self) -> None:
        """The process ends and another one begins."""
        self.bench.restart()

    @precondition(lambda self: self.bench.later < 7 * AGE)
    @rule()
    def expire(self) -> None:
        """Time passes, and the sweeper runs: what was unfinished in parts is over."""
        self.bench.later += AGE + 1
        self.bench.sweep()

    @invariant()
    def everything_is_as_modelled(self) -> None:
        """The list, the states and the parts, one upload at a time; the reservations; the objects."""
        if not hasattr(self, "who"):
            return
        alive = [upload for upload in self.uploads if self.alive(upload)]
        assert self.bench.listed(self.who) == {upload.sealed for upload in alive if upload.state == "open"}
        for upload in self.uploads[-3:]:
            said = self.bench.detail(self.who, upload.sealed)
            if not self.alive(upload):
                assert self.refused(said) == "upload-not-found"
                continue
            assert isinstance(said, dict)
            parts = {each["number"]: (each["size"], each["etag"].strip('"')) for each in said["parts"]}
            assert (said["state"], parts) == (upload.state, upload.parts if upload.state == "open" else {})
        held = [
            upload
            for upload in self.uploads
            if upload.state == "open" or (upload.state == "aborted" and upload.strategy is Strategy.PUT)
        ]
        assert self.bench.stores.ledger.usage(self.policy.tenant).reserved_objects == len(held)

    def teardown(self) -> None:
        """What the bucket holds under every key is what the model says; nothing unfinished is left that is over."""
        if hasattr(self, "who"):
            for name in NAMES:
                key = f"{self.policy.tenant}/{name}"
                found = self.bench.run(self.bench.storage.look(key))
                seen = None if found is None else (found.size, found.etag.strip('"'))
                assert seen == self.objects.get(key)
                unfinished = self.bench.run(self.bench.storage.unfinished(key))
                going = [
                    each
                    for each in self.uploads
                    if each.key == key
                    and each.strategy is Strategy.MULTIPART
                    and each.state == "open"
                    and self.alive(each)
                ]
                assert len(unfinished) == len(going)
        self.bench.close()
        self.folder.cleanup()


def test_a_few_lives(store: EmbeddedS3) -> None:
    """The short form."""
    UploadLife.store = store
    run_state_machine_as_test(UploadLife, settings=few)


@pytest.mark.long
def test_many_lives(store: EmbeddedS3) -> None:
    """Thousands of steps."""
    UploadLife.store = store
    run_state_machine_as_test(UploadLife, settings=many)
