"""What the presigner's Lambda function is told beside what every function is (`gateway.functions.settings`)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.functions.iam_callers import IamCallers, iam_callers
from gateway.functions.settings import AdmissionSettings, Reading, base_path, listed
from gateway.functions.storage import Identity, read_endpoint, read_identity
from gateway.storage.endpoint import Endpoint
from presigner.sealing import KEY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaSettings:
    """The settings of one function.

    Attributes:
        admission: what every function that admits is told.
        endpoint: where the bucket is.
        signer, completer: who may put objects and parts, and who completes uploads.
        sealing_keys: 32 bytes each, newest first; empty where they are in the parameter.
        sealing_parameter: the SSM parameter (SecureString) that holds the keys as the variable would.
        base_path: what a custom domain puts before every path.
        callers: those whom AWS verifies, and who they are.
    """

    admission: AdmissionSettings
    endpoint: Endpoint
    signer: Identity
    completer: Identity
    sealing_keys: tuple[bytes, ...] = field(repr=False)
    sealing_parameter: str | None
    base_path: str
    callers: IamCallers = field(default_factory=lambda: IamCallers(()))

    @property
    def region(self) -> str:
        """Where the bucket and the table are."""
        return self.admission.region

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "LambdaSettings":
        """The settings; raises LambdaSettingsError."""
        reading = Reading(environment)
        admission = AdmissionSettings.read(reading)
        parameter = reading.optional("SEALING__PARAMETER")
        keys = reading.parsed("SEALING__KEYS", sealing_keys, ())
        if not keys and parameter is None:
            reading.fault("SEALING__KEYS", "is required, or SEALING__PARAMETER in its place")
        settings = cls(
            admission=admission,
            endpoint=read_endpoint(reading, admission.region),
            signer=read_identity(reading, "SIGNER"),
            completer=read_identity(reading, "COMPLETER"),
            sealing_keys=keys,
            sealing_parameter=parameter,
            base_path=reading.parsed("BASE_PATH", base_path, ""),
            callers=reading.parsed("IAM_CALLERS", iam_callers, IamCallers(())),
        )
        reading.demand_none()
        return settings


def sealing_keys(text: str) -> tuple[bytes, ...]:
    """Keys in base64 with commas between them; raises ValueError without a word of them."""
    try:
        keys = tuple(base64.b64decode(key, validate=True) for key in listed(text))
    except (binascii.Error, ValueError):
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"keys are {KEY_BYTES} random bytes each, in base64, with commas between them") from None
    return keys
