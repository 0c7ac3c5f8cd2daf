"""Tenants in a folder: all faults at the start, the last good version afterwards."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.document import parse
from gateway.policy.model import Policy
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.folder import TenantFolder, TenantFolderError
from gateway.tenants.protocol import IssuerDirectory, PolicySource

Write = Callable[..., Path]
ISSUER = "https://id.example.com"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _issuer(**members: Any) -> list[dict[str, Any]]:
    return [{"issuer": ISSUER, "audience": ["files"], **members}]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Replaces a tenant's file by renaming, as a careful writer does."""

    def write(tenant: str, **members: Any) -> Path:
        path = tmp_path / f"{tenant}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"version": 1, "tenant": tenant, **members}))
        return part.replace(path)

    return write


def _folder(path: Path, *, lifetime: float = 0.0, clock: Callable[[], float] | None = None) -> TenantFolder:
    return TenantFolder(path, allow_private_issuers=False, lifetime=lifetime, clock=clock or Clock())


def _told(folder: TenantFolder) -> list[tuple[str, str]]:
    return [(fault.file, fault.pointer) for fault in folder.faults]


def _overwrites(folder: TenantFolder, tenant: str) -> bool:
    policy = folder.get(tenant)
    assert policy is not None
    return policy.overwrite


def test_a_folder_is_a_source_and_a_directory(tmp_path: Path, write: Write) -> None:
    """What the corridor asks for is answered from the files."""
    write("acme", issuers=_issuer())
    folder = _folder(tmp_path)
    source: PolicySource = folder
    directory: IssuerDirectory = folder
    policy = source.get("acme")

    assert policy is not None
    assert directory.issuers(ISSUER) == (("acme", policy.issuers[0]),)
    assert directory.issuers(ISSUER + "/") == ()
    assert source.get("globex") is None
    assert folder.tenants == ("acme",)


def test_only_documents_are_read(tmp_path: Path, write: Write) -> None:
    """Notes, hidden files and half-written temporary files beside the documents do not matter."""
    write("acme")
    for name in ("README.md", ".acme.json", "globex.part", "acme.json~"):
        (tmp_path / name).write_text("{")

    assert _folder(tmp_path).tenants == ("acme",)


def test_every_fault_of_every_file_is_said_at_the_start(tmp_path: Path, write: Write) -> None:
    """One error names files and pointers, and the folder is not served."""
    write("acme", status=1, owner=2)
    write("globex", issuers=_issuer())
    write("initech", issuers=_issuer())
    (tmp_path / "Bad Name.json").write_text("{}")
    (tmp_path / "hooli.json").write_text('{"version": 1, "version": 1}')
    (tmp_path / "umbrella.json").write_text('{"version": 1, "tenant": "acme"}')
    (tmp_path / "folder.json").mkdir()
    expected = {
        ("acme.json", "/status"), ("acme.json", "/owner"), ("globex.json", "/issuers/0/tenant_claim"),
        ("initech.json", "/issuers/0/tenant_claim"), ("Bad Name.json", ""), ("hooli.json", ""),
        ("umbrella.json", "/tenant"), ("folder.json", ""),
    }  # fmt: skip

    with pytest.raises(TenantFolderError, match=r"acme\.json#/status: ") as raised:
        _folder(tmp_path)

    assert expected == {(fault.file, fault.pointer) for fault in raised.value.faults}


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    """An operator's typing error does not become a gateway without tenants."""
    with pytest.raises(TenantFolderError, match="can't be read"):
        _folder(tmp_path / "missing")


def test_a_change_is_in_force_when_the_lifetime_is_over(tmp_path: Path, write: Write) -> None:
    """Before, at and after the lifetime."""
    clock = Clock()
    write("acme", overwrite=False)
    folder = _folder(tmp_path, lifetime=30, clock=clock)
    write("acme", overwrite=True)
    seen = []
    for clock.now in (0.0, 29.9, 30.0):
        seen.append(_overwrites(folder, "acme"))

    assert seen == [False, False, True]


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, write: Write) -> None:
    """A look that finds the same files hands out the very same policies."""
    write("acme")
    folder = _folder(tmp_path)

    assert folder.get("acme") is folder.get("acme")


def test_a_file_of_the_same_size_and_time_is_seen_by_its_inode(tmp_path: Path, write: Write) -> None:
    """A rename within the clock's grain is a change all the same."""
    path = write("acme", url_lifetime=100)
    folder = _folder(tmp_path)
    kept = path.stat()
    held = path.open()  # keeps the old inode from being used again
    write("acme", url_lifetime=200)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    policy = folder.get("acme")
    held.close()

    assert policy is not None
    assert policy.url_lifetime == 200


def test_tenants_come_and_go_with_their_files(tmp_path: Path, write: Write) -> None:
    """A new file is a new tenant, a removed one is a tenant no more, with its issuers."""
    path = write("acme", issuers=_issuer())
    folder = _folder(tmp_path)
    write("globex")
    path.unlink()

    assert folder.tenants == ("globex",)
    assert folder.get("acme") is None
    assert folder.issuers(ISSUER) == ()


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 1, "tenant": "acme", "size": 1}', '{"version": 1, "tenant": "x"}']
)
def test_a_file_that_turns_bad_keeps_its_last_good_version(tmp_path: Path, write: Write, text: str) -> None:
    """The fault is told, the tenant is served as before, the others change as they like, and a mend is taken."""
    path = write("acme", overwrite=True)
    write("globex", overwrite=False)
    folder = _folder(tmp_path)
    path.write_text(text)
    write("globex", overwrite=True)

    assert [file for file, _ in _told(folder)] == ["acme.json"]
    assert (_overwrites(folder, "acme"), _overwrites(folder, "globex")) == (True, True)

    write("acme", overwrite=False)

    assert (_overwrites(folder, "acme"), _told(folder)) == (False, [])


def test_a_link_to_nothing_is_a_fault(tmp_path: Path, write: Write) -> None:
    """A file that is listed and can't be read is told, and keeps its last good version."""
    write("acme").unlink()
    (tmp_path / "elsewhere").write_text('{"version": 1, "tenant": "acme"}')
    (tmp_path / "acme.json").symlink_to(tmp_path / "elsewhere")
    folder = _folder(tmp_path)
    (tmp_path / "elsewhere").unlink()

    assert (folder.tenants, _told(folder)) == (("acme",), [("acme.json", "")])


def test_a_new_file_that_is_bad_is_no_tenant(tmp_path: Path, write: Write) -> None:
    """Without a good version there is none to keep."""
    write("acme")
    folder = _folder(tmp_path)
    write("globex", size=1)

    assert folder.tenants == ("acme",)
    assert _told(folder) == [("globex.json", "/size")]


def test_a_folder_that_vanishes_keeps_its_tenants(tmp_path: Path, write: Write) -> None:
    """An unmounted disk is told and does not remove every tenant."""
    write("acme")
    folder = _folder(tmp_path)
    away = tmp_path.rename(tmp_path.with_name("away"))

    assert (folder.tenants, len(folder.faults)) == (("acme",), 1)

    away.rename(tmp_path)

    assert (folder.tenants, folder.faults) == (("acme",), ())


def test_an_issuer_is_shared_by_tenants_that_both_name_a_claim(tmp_path: Path, write: Write) -> None:
    """With the claim a token says whose it is."""
    write("acme", issuers=_issuer(tenant_claim="org"))
    write("globex", issuers=_issuer(tenant_claim="org"))

    assert [tenant for tenant, _ in _folder(tmp_path).issuers(ISSUER)] == ["acme", "globex"]


def test_a_change_that_takes_anothers_issuer_is_not_in_force(tmp_path: Path, write: Write) -> None:
    """The issuer stays whose it was, a suspension in the same look is in force, and both files are told."""
    write("acme", issuers=_issuer())
    write("globex")
    write("initech")
    folder = _folder(tmp_path)
    write("globex", issuers=_issuer())
    write("hooli", issuers=_issuer(tenant_claim="org"))
    write("initech", status="suspended")
    suspended = folder.get("initech")

    assert [tenant for tenant, _ in folder.issuers(ISSUER)] == ["acme"]
    assert _told(folder) == [("acme.json", "/issuers/0/tenant_claim"), ("globex.json", "/issuers/0/tenant_claim")]
    assert folder.tenants == ("acme", "globex", "initech")
    assert suspended is not None
    assert suspended.status == "suspended"


def test_taking_back_one_change_takes_back_those_that_need_it(tmp_path: Path, write: Write) -> None:
    """When a tenant's old issuer comes back, the one that took it over loses it again."""
    write("acme", issuers=_issuer(issuer="https://one.example"))
    write("globex")
    write("initech", issuers=_issuer(issuer="https://two.example"))
    folder = _folder(tmp_path)
    write("acme", issuers=_issuer(issuer="https://two.example"))
    write("globex", issuers=_issuer(issuer="https://one.example"))

    believers = [tenant for name in ("one", "two") for tenant, _ in folder.issuers(f"https://{name}.example")]

    assert believers == ["acme", "initech"]


def test_the_demos_documents_are_right() -> None:
    """Both tenants of the demo are what the contract says."""
    acme, globex = (parse(document) for document in demo_documents())

    assert isinstance(acme, Policy)
    assert isinstance(globex, Policy)
    assert (acme.tenant, acme.overwrite, acme.metadata.keys, acme.clients) == (
        "acme", True, ("*",), ("uppy", "uppy-sign"),
    )  # fmt: skip
    assert set(acme.types.values()) == {()}
    assert (globex.tenant, globex.overwrite, globex.checksum) == ("globex", False, "required")
    assert (globex.size.min, globex.size.max) == (1_024, 1_048_576)
    assert globex.types == {"image/png": (".png",), "image/jpeg": (".jpg", ".jpeg")}
