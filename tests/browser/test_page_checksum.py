"""The upload page's CRC-64/NVME against AWS's own: of wholes, of pieces, and of wholes made of pieces."""

import base64
import random
import subprocess
from pathlib import Path

import pytest
from awscrt.checksums import crc64nvme

from tests.browser.stage import HERE, MODULES, Visit

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not (MODULES / "esbuild").exists(), reason="esbuild is not installed: npm ci in tests/browser"),
]

SOURCE = HERE.parents[1] / "gateway" / "web" / "src" / "upload" / "crc64.ts"
LENGTHS = ([0], [1], [7, 1], [8], [9, 0, 300], [1 << 20, 1], [3_000_017, 5, 1_048_576, 2_000_003])


def test_the_pages_checksum_is_that_of_s3(visit: Visit, tmp_path: Path) -> None:
    """Every length around a slice's, and parts of one whole in order."""
    script = tmp_path / "crc64.js"
    program = [str(MODULES / ".bin" / "esbuild"), str(SOURCE), "--bundle", "--format=iife", "--global-name=crc64"]
    subprocess.run([*program, f"--outfile={script}", "--log-level=warning"], check=True)
    visit.page.goto("about:blank")
    visit.page.evaluate(f"(() => {{ {script.read_text()}; window.crc64 = crc64; }})()")
    source = random.Random(64)
    for lengths in LENGTHS:
        parts = [source.randbytes(length) for length in lengths]
        made = visit.page.evaluate(
            """async (parts) => {
              const signal = new AbortController().signal;
              const blobs = parts.map((text) => new Blob([Uint8Array.from(atob(text), (at) => at.charCodeAt(0))]));
              const whole = await crc64.checksum(new Blob(blobs), signal);
              const pieces = [];
              for (const blob of blobs) pieces.push({ value: await crc64.checksum(blob, signal), length: blob.size });
              return [crc64.base64(whole), crc64.base64(crc64.combined(pieces))];
            }""",
            [base64.b64encode(part).decode() for part in parts],
        )
        expected = base64.b64encode(crc64nvme(b"".join(parts)).to_bytes(8)).decode()
        assert made == [expected, expected]
