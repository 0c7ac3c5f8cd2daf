"""JSON Merge Patch (RFC 7396): a change as the part of a document that it changes."""

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """What `patch` makes of `target` (RFC 7396 section 2): null takes a member away, all but objects is replaced whole.

    Neither argument is changed. It recurses as deep as the patch, which `strict_json` keeps shallow.
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
