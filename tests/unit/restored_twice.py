"""A process that is made a snapshot of, and two that begin with it: run by test_function_sandbox.

Two children of a fork begin with the same memory, as two restored sandboxes do; they also share what the operating
system holds for them, which a snapshot would not have. So what they hold in common at their start must be nothing.
"""

import json
import os
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

EVENT = {
    "httpMethod": "POST",
    "path": "/uploads",
    "requestContext": {},
    "multiValueHeaders": {
        "authorization": [f"Bearer {os.environ['API_KEY']}"],
        "content-type": ["application/json"],
    },
    "body": json.dumps({"name": "a.txt", "size": 5, "content_type": "text/plain"}),
    "isBase64Encoded": False,
}


def main() -> None:
    """Print what the snapshot's process and each restored one say, a line each."""
    before, after = hooks()
    inherited = sockets()
    from presigner.lambda_handler import handler

    for hook in before:
        hook()
    print(json.dumps({"given": asked_for_credentials()}), flush=True)
    for _ in range(2):
        child = os.fork()
        if child == 0:
            held = sorted(sockets() - inherited)
            for hook in after:
                hook()
            answer = handler(EVENT, None)
            body = json.loads(answer["body"])
            said = {"status": answer["statusCode"], "plan": body, "held": held, "random": random.random()}
            print(json.dumps({**said, "request_id": answer["multiValueHeaders"]["x-request-id"]}), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


def hooks() -> tuple[list[Any], list[Any]]:
    """Put the runtime's module where the function looks for it; what is registered there."""
    before: list[Any] = []
    after: list[Any] = []
    module: Any = ModuleType("snapshot_restore_py")
    module.register_before_snapshot, module.register_after_restore = before.append, after.append
    sys.modules["snapshot_restore_py"] = module
    return before, after


def sockets() -> set[str]:
    """The sockets of this process."""
    places = [place for place in Path("/proc/self/fd").iterdir() if place.is_symlink()]
    return {target for place in places if (target := str(place.readlink())).startswith("socket:")}


def asked_for_credentials() -> int:
    """How often the rehearsal's clients asked for the role's credentials."""
    import urllib.request

    with urllib.request.urlopen(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]) as answer:
        return int(json.loads(answer.read())["AccessKeyId"].removeprefix("CREDENTIALS")) + 1


if __name__ == "__main__":
    main()
