"""Presigned PUT URLs a second: `gateway.storage.sigv4` beside boto3's `generate_presigned_url`, in one run.

Both sign the same 64 keys with the same headers (length, type, create-only, a checksum, one metadata key), in turns of
a few milliseconds, so that a busy moment of the machine meets both. The ratio is of the medians over the rounds; the
signatures are compared first, because a fast wrong signature is worth nothing.

Run: `.venv/bin/python -m benchmarks.signing`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from unittest.mock import patch

from benchmarks._boto3 import boto3_client
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer

TURN, SHARE = 10, 25
REGION, BUCKET = "eu-central-1", "benchmark-bucket"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
KEYS = [f"acme/2026/11/photo {number:03} Köln.png" for number in range(64)]
CHECKSUM = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
HEADERS = (
    ("content-length", "20480"),
    ("content-type", "image/png"),
    ("if-none-match", "*"),
    ("x-amz-checksum-sha256", CHECKSUM),
    ("x-amz-meta-origin", "benchmark"),
)
PARAMETERS = {
    "ContentLength": 20480,
    "ContentType": "image/png",
    "IfNoneMatch": "*",
    "ChecksumSHA256": CHECKSUM,
    "Metadata": {"origin": "benchmark"},
}


def seconds(sign: Callable[[str], str], count: int) -> float:
    """The time that `count` URLs take."""
    began = time.perf_counter()
    for number in range(count):
        sign(KEYS[number % len(KEYS)])
    return time.perf_counter() - began


def measure(ours: Callable[[str], str], theirs: Callable[[str], str], urls: int) -> tuple[float, float]:
    """One round: URLs a second of each, made in short turns; ours makes `SHARE` for each of theirs."""
    mine = other = 0.0
    turns = max(1, urls // TURN)
    for _ in range(turns):
        mine += seconds(ours, TURN * SHARE)
        other += seconds(theirs, TURN)
    return turns * TURN * SHARE / mine, turns * TURN / other


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--urls", type=int, default=400, help="boto3's a round; ours makes more, in the same time")
    options = arguments.parse_args()
    client, endpoint, signer = (
        boto3_client(CREDENTIALS, REGION),
        Endpoint.aws(BUCKET, REGION),
        Signer(CREDENTIALS, REGION),
    )

    def theirs(key: str) -> str:
        parameters = {"Bucket": BUCKET, "Key": key, **PARAMETERS}
        return str(client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=900))

    def ours(key: str, now: float | None = None) -> str:
        moment = time.time() if now is None else now
        return signer.presign("PUT", endpoint.origin, endpoint.path_for(key), headers=HEADERS, expires=900, now=moment)

    fixed = datetime(2026, 11, 23, 14, tzinfo=UTC)
    with patch("botocore.auth.get_current_datetime", return_value=fixed.replace(tzinfo=None)):
        if any(theirs(key) != ours(key, fixed.timestamp()) for key in KEYS):
            raise SystemExit("the two do not sign alike: nothing to compare")

    rounds = [measure(ours, theirs, options.urls) for _ in range(options.rounds)]
    for number, (mine, other) in enumerate(rounds, 1):
        print(f"round {number}: ours {mine:10,.0f} /s   boto3 {other:8,.0f} /s   ratio {mine / other:5.1f}")
    mine, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"median:  ours {mine:10,.0f} /s   boto3 {other:8,.0f} /s   ratio {mine / other:5.1f}")


if __name__ == "__main__":
    main()
