"""The admin API's bodies that tell of the past: what was decided, what would be otherwise, what was counted."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[str, Field(description="RFC 3339, UTC", examples=["2026-11-23T14:00:00.000Z"])]


class UsageSampleBody(BaseModel):
    """What was counted at a moment, and until the next sample."""

    at: Moment
    bytes: int
    objects: int
    reserved_bytes: int
    reserved_objects: int


class UsageHistoryBody(BaseModel):
    """What was counted in a time, oldest first; the last sample is of now, the first may be from before `since`."""

    since: Moment
    until: Moment
    step: int = Field(description="seconds; of several samples in as many, the last one is answered")
    samples: list[UsageSampleBody]


class Outcome(BaseModel):
    """A decision in short."""

    decision: Literal["grant", "refusal"]
    code: str | None = None
    key: str | None = None
    create_only: bool | None = None


class DecidedBody(BaseModel):
    """What was asked; `name` is null where it could not be read, and what a client sent else is not kept."""

    at: Moment
    backend: str
    name: str | None
    size: int
    content_type: str | None
    subject: str


class DecisionBody(DecidedBody):
    """A remembered decision of the rules."""

    issuer: str = Field(
        description="`urn:upload-gateway:api-keys` for an API key", examples=["https://id.initech.example.com"]
    )
    scopes: list[str]
    checksum: str | None = Field(description="the algorithm of the checksum that was sent", examples=["sha256"])
    outcome: Outcome


class DecisionList(BaseModel):
    """The last decisions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "decisions": [
                    {
                        "at": "2026-11-23T14:00:00.000Z",
                        "backend": "proxy",
                        "name": "holiday/photo.png",
                        "size": 20_480,
                        "content_type": "image/png",
                        "subject": "ada",
                        "issuer": "https://id.initech.example.com",
                        "scopes": ["files:write"],
                        "checksum": None,
                        "outcome": {"decision": "refusal", "code": "size-exceeds-limit"},
                    }
                ]
            }
        }
    )

    decisions: list[DecisionBody]


class DifferenceBody(DecidedBody):
    """A remembered decision that would be another."""

    was: Outcome
    would_be: Outcome
