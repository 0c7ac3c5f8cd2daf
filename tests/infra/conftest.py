"""The packaged functions, started once for all tests that ask them."""

from collections.abc import Iterator

import pytest

from tests.infra.functions import Stage, staged
from tests.lambda_runtime import NoRuntimeError
from tests.stores import local_dynamodb


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Nothing of a credential is in any log at the end."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    try:
        with staged(tmp_path_factory.mktemp("stage")) as stage:
            yield stage
            logs = stage.logs()
            secret = [*stage.keys.values(), "Signature=", "Traceback"]
            assert [word for word in secret if word in logs] == []
    except NoRuntimeError as error:
        pytest.skip(f"the package or the Lambda runtime can't be had here: {error}")
