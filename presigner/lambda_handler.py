"""The presigner on AWS Lambda: `presigner.lambda_handler.handler`, for API Gateway (REST and HTTP) and function URLs.

Built from the environment, once a sandbox; each event then becomes the same request that the HTTP front would make of
it (`gateway.functions.http`).
"""

import os
from collections.abc import Callable
from typing import Any, Final

from gateway.functions.http import HttpFunction, answered_code, own_loop, passing_loop
from gateway.functions.sandbox import Sandbox
from presigner.lambda_settings import LambdaSettings


def build() -> HttpFunction:
    """The function of this environment; raises LambdaSettingsError where it is not valid."""
    from presigner.lambda_wiring import wired  # noqa: PLC0415 - nobody but Lambda needs AWS's libraries

    own_loop()
    return wired(LambdaSettings.from_environment(os.environ))


def rehearse() -> None:
    """The same with identities and keys that are nobody's."""
    from presigner.lambda_wiring import rehearsed  # noqa: PLC0415 - as above

    with passing_loop():
        rehearsed(LambdaSettings.from_environment(os.environ))


handler: Final[Callable[[Any, Any], Any]] = Sandbox(
    build, rehearse, describe=lambda _, answer: {"code": answered_code(answer)}, environment=os.environ
)
"""What Lambda calls."""
