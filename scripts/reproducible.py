"""What makes the packages for Lambda: wheels by hash, bytecode for the runtime, a zip that is the same each time.

Nothing of this machine gets into a zip: not its paths, umask, clock or order of names. The bytes are the same for the
same tree, requirements and interpreter; another interpreter may compress and compile to others.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EPOCH: Final = (1980, 1, 1, 0, 0, 0)

_COMPILE: Final = """
import py_compile, sys
for line in sys.stdin:
    source, target, shown = line.rstrip("\\n").split("\\t")
    py_compile.compile(source, target, shown, True, 0, py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a package is for: the Lambda runtime's Python and its machine, `x86_64` or `aarch64`."""

    runtime: str
    machine: str

    def options(self) -> list[str]:
        """How pip is told."""
        found = ["--python-version", self.runtime, "--implementation", "cp"]
        for abi in (f"cp{self.runtime.replace('.', '')}", "abi3", "none"):
            found += ["--abi", abi]
        for level in ("manylinux2014", "manylinux_2_28", "manylinux_2_34"):
            found += ["--platform", f"{level}_{self.machine}"]
        return found


def wheels(requirements: Path, kept: Path, target: Target) -> list[Path]:
    """The wheels of a file of requirements, by its hashes; fetched once for each file, and kept below `kept`."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    place = kept / f"{target.runtime}-{target.machine}-{digest}"
    if not place.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as folder:
            fresh = Path(folder) / "wheels"
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command += ["--require-hashes", "--requirement", str(requirements), "--only-binary=:all:"]
            subprocess.run([*command, *target.options(), "--dest", str(fresh)], check=True)
            if not place.is_dir():
                shutil.copytree(fresh, fresh.with_name("whole"))
                _moved(fresh.with_name("whole"), place)
    return sorted(place.glob("*.whl"))


def _moved(fresh: Path, place: Path) -> None:
    """Put a whole folder in its place at once; one that somebody else put there at the same time is as good."""
    try:
        fresh.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def contents(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """What a wheel installs on the path (Binary distribution format, "The .data directory"), without its RECORD."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            first, _, rest = name.partition("/")
            if name.endswith("/") or (first.endswith(".dist-info") and rest == "RECORD"):
                continue
            if not first.endswith(".data"):
                yield name, archive.read(name)
            elif rest.startswith(("purelib/", "platlib/")):
                yield rest.partition("/")[2], archive.read(name)


def write(staged: Path, name: str, data: bytes) -> None:
    """A file of the package."""
    target = staged / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def compile_modules(staged: Path, python: str, runtime: str) -> bool:
    """Compile every module beside its source; whether there is an interpreter of the runtime's version for that.

    A sandbox can't write, so what comes without bytecode is compiled at each of its starts.
    """
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.cache_tag)"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    version, tag = done.stdout.split()
    if version != runtime:
        return False
    lines = []
    for source in sorted(staged.rglob("*.py"), key=lambda path: path.as_posix()):
        target = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        target.parent.mkdir(exist_ok=True)
        lines.append(f"{source}\t{target}\t/var/task/{source.relative_to(staged)}\n")
    environment = {"PATH": os.environ.get("PATH", "")}
    subprocess.run([python, "-I", "-c", _COMPILE], input="".join(lines), text=True, check=True, env=environment)
    return True


def write_zip(staged: Path, output: Path) -> int:
    """In the order of names, all of one age, readable by everyone; the bytes that the files are unzipped."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=output.parent, delete=False) as opened:  # others may build it, too
        fresh, size = Path(opened.name), 0
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted((path for path in staged.rglob("*") if path.is_file()), key=lambda path: path.as_posix()):
            entry = zipfile.ZipInfo(path.relative_to(staged).as_posix(), EPOCH)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            data = path.read_bytes()
            archive.writestr(entry, data)
            size += len(data)
    fresh.chmod(0o644)
    fresh.replace(output)
    return size


def unpack(package: Path, folder: Path) -> None:
    """A package's files as a folder, for whoever zips them again; what was in it before is not asked about."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            write(folder, entry.filename, archive.read(entry))
            (folder / entry.filename).chmod(entry.external_attr >> 16)


def report(output: Path, target: Target, *, compiled: bool, shown: int = 12) -> str:
    """What is in a package, the largest parts first."""
    sizes: dict[str, list[int]] = {}
    with zipfile.ZipFile(output) as archive:
        entries = archive.infolist()
    for entry in entries:
        kind = "bytecode" if entry.filename.endswith(".pyc") else entry.filename.partition("/")[0].partition(".")[0]
        sizes.setdefault(kind, []).append(entry.compress_size)
    unzipped = sum(entry.file_size for entry in entries)
    size = f"{output.stat().st_size:,} bytes, {unzipped:,} unzipped"
    lines = [f"{output}: {size}, Lambda Python {target.runtime} on {target.machine}"]
    for kind, files in sorted(sizes.items(), key=lambda item: (-sum(item[1]), item[0]))[:shown]:
        lines.append(f"  {kind:<22} {sum(files):>10,} bytes in {len(files)} files")
    if not compiled:
        lines.append(
            f"  not compiled: no python{target.runtime} here (--python), so each sandbox compiles it all at its start"
        )
    return "\n".join(lines)
