"""Each regional function from a cold sandbox to its first answer, under Lambda's runtime, beside other kinds.

    .venv/bin/python benchmarks/cold_start.py [--rounds 5]

Cold: the emulator's runtime is started anew, imports the package, and answers one documented event; the time is the
processor's, of the runtime's process, so that a busy machine counts for little, and the wall's beside it. The least a
function can be is `bare`, which answers at once; `naive` is what one writes first: boto3 and FastAPI behind Mangum,
imported at the top, with a client of DynamoDB and one of S3. `uncompiled` is our package without its bytecode.
DynamoDB, S3, STS and SSM are stand-ins on loopback.
"""

import argparse
import statistics
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.infra import events
from tests.infra.functions import FIRST, Stage, staged
from tests.lambda_runtime import RUNTIME, Function, Sandbox

BARE: Final = "def handler(event, context):\n    return {'statusCode': 204}\n"
NAIVE: Final = """
import boto3
from fastapi import FastAPI, Request
from mangum import Mangum
from pydantic import BaseModel

dynamodb, s3 = (boto3.client(name, region_name="us-east-1") for name in ("dynamodb", "s3"))
app = FastAPI()


class Wanted(BaseModel):
    name: str


@app.post("/uploads")
def plan(wanted: Wanted, request: Request):
    return {"url": s3.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": wanted.name})}


handler = Mangum(app, lifespan="off")
"""


@dataclass(frozen=True, slots=True)
class Started:
    """What one start took: seconds of the processor and of the wall."""

    processor: float
    wall: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long functions take from cold to their first answer.")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        place = Path(folder)
        kinds = dict(_ours(stage, place)) | dict(_others(place))
        found: dict[str, list[Started]] = {name: [] for name in kinds}
        for _ in range(options.rounds):
            for name, (function, event) in kinds.items():
                found[name].append(_start(function, event, place / name.replace(" ", "-")))
    bare = statistics.median(one.processor for one in found["bare"])
    print(f"Python {RUNTIME}, medians of {options.rounds}")
    print(f"{'function':<34} {'processor':>10} {'wall':>9} {'to bare':>8}")
    for name, starts in found.items():
        processor, wall = (statistics.median(getattr(one, what) for one in starts) for what in ("processor", "wall"))
        print(f"{name:<34} {processor:>8.2f} s {wall:>7.2f} s {processor / bare:>7.1f}x")


Kinds = list[tuple[str, tuple[Function, Any]]]


def _ours(stage: Stage, place: Path) -> Kinds:
    """Every function of the package, with its bytecode and without."""
    compiled = place / "functions.zip"
    plain = place / "plain.zip"
    with zipfile.ZipFile(compiled) as whole, zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as left:
        for entry in whole.infolist():
            if not entry.filename.endswith(".pyc"):
                left.writestr(entry, whole.read(entry))
    found: Kinds = []
    for handler, event in FIRST.items():
        short = {"gateway.proxy.lambda_handler.handler": "authorizer", "presigner.lambda_handler.handler": "presigner"}
        name = short.get(handler, handler.split(".")[-2])
        function = Function(package=compiled, handler=handler, variables=stage.variables(handler))
        found += [(name, (function, event)), (f"{name} uncompiled", (replace(function, package=plain), event))]
    return found


def _others(place: Path) -> Kinds:
    """The bare function, and the naive one with the same libraries."""
    bare, naive = place / "bare.zip", place / "naive.zip"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("bare.py", BARE)
    with zipfile.ZipFile(place / "functions.zip") as whole, zipfile.ZipFile(naive, "w") as archive:
        archive.writestr("naive.py", NAIVE)
        for entry in whole.infolist():
            if not entry.filename.startswith(("gateway/", "presigner/")) and not entry.filename.endswith(".pyc"):
                archive.writestr(entry, whole.read(entry))
        _service(archive, "s3")
    known: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    event = events.rest("POST", "/uploads", {"Content-Type": "application/json"}, {"name": "a.txt"})
    return [
        ("bare", (Function(package=bare, handler="bare.handler"), event)),
        ("naive", (Function(package=naive, handler="naive.handler", variables=known), event)),
    ]


def _service(archive: zipfile.ZipFile, name: str) -> None:
    """The SDK's model of a service that our package leaves out."""
    import botocore  # noqa: PLC0415 - its folder is all that is wanted

    data = Path(botocore.__file__).parent / "data"
    for path in sorted((data / name).rglob("*")):
        if path.is_file():
            archive.write(path, f"botocore/data/{path.relative_to(data)}")


def _start(function: Function, event: Any, folder: Path) -> Started:
    """One sandbox from nothing to its answer."""
    folder.mkdir(exist_ok=True)
    sandbox = Sandbox(function, folder, is_answer=lambda answer: "errorType" not in answer)
    if not (folder / "task").is_dir():
        sandbox.unpack()
    before = time.perf_counter()
    try:
        sandbox.start(event)
        return Started(sandbox.processor_seconds(), time.perf_counter() - before)
    finally:
        sandbox.stop()


if __name__ == "__main__":
    main()
