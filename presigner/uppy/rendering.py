"""How a refusal reaches Uppy: the same problem, with the two members from which it takes the sentence for its user.

Uppy 4 and 5 show `message` of any 4xx answer that is JSON, and take `error` in it for failure; 6 shows neither.
"""

from fastapi.routing import APIRoute

from gateway.policy.problems import Refusal


def said_twice(refusal: Refusal) -> dict[str, str]:
    """What these problems say beside the members of every problem."""
    said = " ".join(dict.fromkeys(fault.detail for fault in refusal.errors)) or refusal.detail
    return {"error": said, "message": said}


class SaidTwice(APIRoute):
    """A route whose problems say `error` and `message`, too (`gateway.asgi.problems`)."""

    problem_members = staticmethod(said_twice)
