"""A plan of 10,000 parts: its URLs signed as the presigner signs them, beside boto3's `generate_presigned_url`.

Both sign the same parts of the same upload; the signatures of the first and last are compared before anything is
measured. Ours is the whole work of a plan's answer but S3's part of it: every URL, the JSON, and the compression.
boto3 signs a tenth of the parts and is counted tenfold. Memory apart, this is what limits a plan on AWS Lambda, which
passes 6 MB.

Run: `.venv/bin/python -m benchmarks.parts`.
"""

import argparse
import asyncio
import gzip
import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from benchmarks._boto3 import boto3_client
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from presigner.signing import PlanSigner
from presigner.upload import Strategy, Upload

PARTS, SIZE = 10_000, 5_242_880
REGION, BUCKET, KEY = "eu-central-1", "benchmark-bucket", "acme/2026/11/film of the day.mp4"
CREDENTIALS = Credentials("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "t" * 900)
UPLOAD = Upload(
    id="0",
    strategy=Strategy.MULTIPART,
    tenant="acme",
    owner="o",
    key=KEY,
    name="film of the day.mp4",
    least=PARTS * SIZE,
    size=PARTS * SIZE,
    part_size=SIZE,
    upload_id="u" * 128,
    algorithm="crc64nvme",
    checksum="",
    create_only=True,
    look="-",
    created=0,
    ends=2**40,
)


def theirs(client: Any, number: int) -> str:
    part = {"Bucket": BUCKET, "Key": KEY, "UploadId": UPLOAD.upload_id, "PartNumber": number, "ContentLength": SIZE}
    return str(client.generate_presigned_url("upload_part", Params=part, ExpiresIn=900))


def ours(signer: PlanSigner, now: float) -> list[dict[str, Any]]:
    numbers = range(1, PARTS + 1)
    return asyncio.run(signer.parts(UPLOAD, numbers, lifetime=900, now=now, checksums={}))


def signature(url: str) -> list[str]:
    return parse_qs(urlsplit(url).query)["X-Amz-Signature"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()
    client = boto3_client(CREDENTIALS, REGION)
    signer = PlanSigner(endpoint=Endpoint.aws(BUCKET, REGION), signer=Signer(CREDENTIALS, REGION))
    now = time.time()
    with patch(
        "botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(int(now), UTC).replace(tzinfo=None)
    ):
        parts = ours(signer, now)
        if any(signature(parts[number - 1]["url"]) != signature(theirs(client, number)) for number in (1, PARTS)):
            raise SystemExit("the two do not sign alike: nothing to compare")
    rounds = []
    for number in range(1, options.rounds + 1):
        began = time.perf_counter()
        parts = ours(signer, time.time())
        signed = time.perf_counter()
        text = json.dumps({"parts": parts}, separators=(",", ":")).encode()
        packed = gzip.compress(text, 1, mtime=0)
        ended = time.perf_counter()
        for part in range(1, PARTS // 10 + 1):
            theirs(client, part)
        other = 10 * (time.perf_counter() - ended)
        rounds.append((signed - began, ended - signed, other))
        print(f"round {number}: signing {1e3 * rounds[-1][0]:6.0f} ms   boto3 {1e3 * other:7.0f} ms")
    mine, packing, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"median:  signing {1e3 * mine:6.0f} ms   boto3 {1e3 * other:7.0f} ms   ratio {other / mine:5.0f}")
    print(f"answer:  {len(text) / 1e6:.2f} MB, {len(packed) / 1e6:.2f} MB compressed, in {1e3 * packing:.0f} ms")


if __name__ == "__main__":
    main()
