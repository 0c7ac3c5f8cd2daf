"""Wrong use that a type checker must refuse.

The suite's own `mypy --strict` run is the test: a line that became acceptable has a comment that mypy then refuses.
"""

import pytest

from gateway.identity import CognitoJwtVerifier, JwtVerifier, ParameterValidationError


def test_a_security_parameter_left_out_is_an_error_twice() -> None:
    """To the type checker where it is written, and at construction where nobody checks types."""
    with pytest.raises(ParameterValidationError):
        JwtVerifier.create(issuer="https://issuer.example")  # type: ignore[call-overload]
    with pytest.raises(ParameterValidationError):
        JwtVerifier.create(audience="me")  # type: ignore[call-overload]
    with pytest.raises(ParameterValidationError):
        CognitoJwtVerifier.create(user_pool_id="us-east-1_a", client_id=None)  # type: ignore[call-overload]
    with pytest.raises(ParameterValidationError):
        CognitoJwtVerifier.create(user_pool_id="us-east-1_a", token_use=None)  # type: ignore[call-overload]


def test_an_override_that_may_not_be_is_an_error_twice() -> None:
    """The issuer of one call."""
    verifier = JwtVerifier.create(issuer="https://issuer.example", audience=None)
    with pytest.raises(ParameterValidationError):
        verifier.verify("x.y.z", issuer="https://other.example")  # type: ignore[call-arg]
