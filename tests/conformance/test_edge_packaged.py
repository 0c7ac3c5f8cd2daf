"""The cases of the edge through the packaged zip under Lambda's runtime, behind CloudFront's model, over a real S3."""

import dataclasses
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cors import Cors
from gateway.local.edge import edge_settings
from gateway.server.carriages import Limits
from gateway.server.deployment import EdgeDocuments
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.tenants.published.signing import SigningPair
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.demo import PAGE, DemoDeployment, DemoProcess
from tests.conformance.deployment import Base
from tests.conformance.edge_limits import LIMITS, findings_of, limited
from tests.conformance.edge_runtime import CloudFront, build, edge_sandbox
from tests.conformance.examiner import Examiner
from tests.conformance.issuers import TenantIssuers
from tests.conformance.tenants import documents
from tests.conformance.test_edge_published import await_published
from tests.conformance.wire import Origin, Wire
from tests.lambda_runtime import ROOT, NoRuntimeError, Sandbox

EDGE_CASES = [case for case in CASES if "edge" in case.backends]
LIMITED = limited()
MOST_MEMORY = 80 * 1_048_576


class Packaged(DemoDeployment):
    """A demo of which only the edge is asked, and that somewhere else: at CloudFront's model."""

    def base(self, backend: str) -> Base:
        """The model; None for the others, which the suite then leaves out."""
        return Base(self.origin, "/edge") if backend == "edge" else None  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Site:
    examiner: Examiner
    sandbox: Sandbox
    package: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tenant_issuers: TenantIssuers) -> Iterator[Site]:
    """A demo that publishes, the zip that reads what it published, the runtime, the model."""
    data = tmp_path_factory.mktemp("packaged")
    process = DemoProcess(data, limits="aws", options=("--published-edge",))
    running: list[Sandbox | CloudFront] = []
    with Wire() as wire:
        try:
            started = process.start()
            tenants = [*documents(tenant_issuers), *LIMITED.values()]
            for document in tenants:
                started.tenants.put(document)
            await_published(started, ["acme", "globex", *(document["tenant"] for document in tenants)])
            state = data / "state"
            package = build(_settings(state, started), data / "built")
            identities = json.loads((state / "s3-keys.json").read_text())
            reader, signer = (Credentials(**identities[name]) for name in ("edge", "signer"))
            sandbox = edge_sandbox(package, data / "built", reader)
            running.append(sandbox)
            sandbox.start({})
            settings = json.loads((state / "demo.json").read_text())
            front = CloudFront(
                sandbox,
                origin=Endpoint.at(settings["s3_endpoint"], settings["bucket"]),
                access_control=Signer(signer, settings["region"]),
            )
            running.append(front)
            front.start()
            deployment = _packaged(started, front.port)
            examiner = Examiner(deployment, wire, tenant_issuers.by_name)
            yield Site(examiner, sandbox, package)
            findings = examiner.look() + process.secrets_in_logs()
            findings += [word for word in ("eyJ", "ugk_", "Signature=") if word in sandbox.log.read_text()]
            findings += [f"the runtime died {sandbox.crashes} times"] if sandbox.crashes > 1 else []
        except NoRuntimeError as error:
            pytest.skip(f"the package or the Lambda runtime can't be had here: {error}")
        finally:
            for each in reversed(running):
                each.stop()
            process.stop()
    assert not findings, "\n".join(findings)


def _settings(state: Path, started: DemoDeployment) -> dict[str, object]:
    port = json.loads((state / "s3-ports.json").read_text())["s3"]
    published = EdgeDocuments(
        endpoint=Endpoint.at(f"http://localhost:{port}", f"{started.bucket.name}-edge"),
        writer=Signer(Credentials("", ""), "us-east-1"),
        pair=SigningPair.from_bytes("demo", (state / "edge-signing.key").read_bytes()),
        believed={},
        throttle={"kind": "leased"},
    )
    return edge_settings(published, region="us-east-1", limits=Limits.AWS, cors=Cors.of([PAGE]))


def _packaged(started: DemoDeployment, port: int) -> Packaged:
    values = {each.name: getattr(started, each.name) for each in dataclasses.fields(started)}
    return Packaged(**{**values, "origin": Origin("127.0.0.1", port)})


@pytest.mark.parametrize("case", EDGE_CASES[::9], ids=lambda case: case.label)
def test_the_package_has_the_same_verdicts(site: Site, case: Case) -> None:
    """Those of the server, but for the table of forced differences; the short form."""
    findings = site.examiner.examine(case)

    assert not findings, "\n".join(findings)


@pytest.mark.long
@pytest.mark.parametrize("case", EDGE_CASES, ids=lambda case: case.label)
def test_the_package_has_the_same_verdicts_in_every_case(site: Site, case: Case) -> None:
    """All of them."""
    findings = site.examiner.examine(case)

    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("limit", LIMITS)
def test_the_package_holds_tenants_to_their_limits(site: Site, limit: str) -> None:
    """By the share that the tenant's document gives the function."""
    findings = findings_of(site.examiner, limit, str(LIMITED[limit]["tenant"]))

    assert not findings, "\n".join(findings)


def test_the_function_stays_small(site: Site) -> None:
    """In a sandbox of 128 MB, after all that was asked of it, and in a zip that every quota ever took but the first."""
    assert site.sandbox.peak_memory() < MOST_MEMORY
    assert site.package.stat().st_size < 6 * 1_048_576


def test_the_package_is_the_same_bytes_each_time(site: Site, tmp_path: Path) -> None:
    """Whoever builds the same tree with the same settings deploys nothing new."""
    told = site.package.with_name("edge.json")
    again = build(json.loads(told.read_text()), tmp_path)

    assert again.read_bytes() == site.package.read_bytes()


def test_the_package_has_nothing_that_is_not_imported(site: Site) -> None:
    """Every module in it is loaded by its entry, with the package alone on the path; no framework is near."""
    with zipfile.ZipFile(site.package) as archive:
        names = [name for name in archive.namelist() if name.endswith((".py", ".so"))]
    stems = {name.partition(".")[0].removesuffix("/__init__").replace("/", ".") for name in names}
    alone = "import sys; sys.path = [place for place in sys.path if 'site-packages' not in place]"
    rehearsal = (ROOT / "scripts" / "edge-rehearsal").read_text()
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{alone}; sys.path.insert(0, '.'); exec({rehearsal!r})"],
        cwd=site.sandbox.folder / "task",
        capture_output=True,
        text=True,
        check=True,
    )

    assert stems <= set(done.stdout.split())


def test_a_build_without_settings_is_one_sentence(tmp_path: Path) -> None:
    """No package is better than one that knows nothing."""
    command = [sys.executable, "scripts/edge-package", "--settings", str(tmp_path / "none.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
