"""The two tenants of the demo, as documents: one that takes almost anything, one that takes almost nothing."""

from typing import Any, Final

_ANY_EXTENSION: Final[tuple[str, ...]] = ()
_GENEROUS_TYPES: Final = (
    "image/*",
    "application/pdf",
    "text/*",
    "text/csv",
    "application/json",
    "application/zip",
    "application/octet-stream",
)


def demo_documents() -> tuple[dict[str, Any], ...]:
    """The documents of `acme` and `globex`, fresh each time; what they leave out is the default."""
    return (_acme(), _globex())


def _acme() -> dict[str, Any]:
    return {
        "version": 1,
        "tenant": "acme",
        "size": {"min": 0, "max": 53_687_091_200_000},
        "types": {essence: list(_ANY_EXTENSION) for essence in _GENEROUS_TYPES},
        "overwrite": True,
        "metadata": {"keys": ["*"]},
        "clients": ["uppy", "uppy-sign"],
    }


def _globex() -> dict[str, Any]:
    return {
        "version": 1,
        "tenant": "globex",
        "size": {"min": 1_024, "max": 1_048_576},
        "types": {"image/png": [".png"], "image/jpeg": [".jpg", ".jpeg"]},
        "overwrite": False,
        "checksum": "required",
    }
