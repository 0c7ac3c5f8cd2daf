"""One demo for all browser tests, one browser a module, one fresh context a test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.operator_console import Begin, beginning
from tests.browser.stage import Stage, Visit, browsing, missing, staged

NO_PICKER = "delete window.showOpenFilePicker"
"""Playwright answers the dialogue of an input, not that of the File System Access API."""

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The demo and another site."""
    if reason := missing():
        pytest.skip(reason)
    with staged(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="module")
def browser(stage: Stage) -> Iterator[Browser]:
    """Chromium; its event loop ends with the module, so that other tests may have one."""
    with browsing() as made:
        yield made


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page in a context of its own; what the Content-Security-Policy blocks fails the test."""
    context = browser.new_context(viewport={"width": 820, "height": 720})
    context.set_default_timeout(30_000)
    context.add_init_script(NO_PICKER)
    made = Visit(context)
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture(scope="session")
def operator_token(stage: Stage) -> str:
    """A token of the operators' issuer."""
    return stage.demo.token("--admin", "--subject", "ada")


@pytest.fixture
def begin(browser: Browser, stage: Stage, operator_token: str) -> Iterator[Begin]:
    """Operators before the console; whatever their pages complain about fails the test."""
    with beginning(browser, stage, operator_token) as made:
        yield made
