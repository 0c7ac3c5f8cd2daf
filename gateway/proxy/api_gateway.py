"""API Gateway's own limits, which every upload through it meets before our code does."""

from typing import Final

PAYLOAD_LIMIT: Final = 10_485_760
"""The most bytes of a request (API Gateway Developer Guide, "Quotas for REST APIs")."""

PATH_LIMIT: Final = 350
"""The most characters of an encoded path whose method ARN stays under the 512 of a policy's resource (same guide)."""
