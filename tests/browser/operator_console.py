"""An operator before the console: a page that is signed in, and everything that it must never say or do."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.browser.stage import IMAGES, MODULES, Stage

BASE = "/admin/tenants"
SESSION = "upload-gateway-operator"
AXE = MODULES / "axe-core" / "axe.min.js"

WATCHING = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { shifted += value; }))
  .observe({ type: "layout-shift", buffered: true });
"""

OUTLINE = "getComputedStyle(document.activeElement.closest('.json-scroll') ?? document.activeElement).outlineStyle"

Scheme = Literal["light", "dark"]


class Operator:
    """A browser's context of an operator, and a client that does behind their back what others would do."""

    def __init__(self, page: Page, stage: Stage, client: httpx.Client) -> None:
        self.page = page
        self.stage = stage
        self.client = client
        self.complaints: list[str] = []
        self._tokens: dict[str, str] = {}
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        # A status of 4xx is told on the console by the browser itself; everything else is a fault of the page.
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            self.complaints.append(message.text)

    def show(self, place: str, heading: str | re.Pattern[str]) -> None:
        """The view at this place, once its heading is there."""
        self.page.goto(f"{self.stage.url}/console#{place}")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)

    def tenant(self, tenant: str, tab: str = "policy") -> None:
        """A view of this tenant, once it has its document."""
        self.show(f"/tenants/{tenant}/{tab}", re.compile(f"^{tenant} "))
        expect(self.page.locator(".whole .tag")).to_be_visible()

    def label(self, name: str) -> Locator:
        """A field by its label."""
        return self.page.get_by_label(name, exact=True)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def dialog(self, name: str) -> Locator:
        """A button of the question that is asked."""
        return self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True)

    @property
    def json(self) -> Locator:
        """The document as JSON."""
        return self.label("The document as JSON")

    def document(self) -> Any:
        """The same, read."""
        return json.loads(self.json.input_value())

    def faults(self, label: str) -> Locator:
        """What is said below a field."""
        return self.page.locator(".field").filter(has=self.label(label)).locator(".faults")

    def accepted(self) -> None:
        """Wait until the gateway has accepted the draft."""
        expect(self.page.locator("#hindrance")).to_contain_text("The gateway accepts this document.")

    def save(self, reason: str, said: str = "Saved, and in force.") -> None:
        """Save the draft."""
        self.accepted()
        self.label("Reason").fill(reason)
        self.button("Save").click()
        expect(self.page.locator(".toast")).to_have_text(said)

    def put(self, tenant: str, **members: Any) -> None:
        """Create the tenant, or change members of its document, as another operator would."""
        found = self.client.get(f"{BASE}/{tenant}")
        document = {"version": 1, "tenant": tenant, **(found.json() if found.is_success else {}), **members}
        headers = {"if-match": found.headers["etag"]} if found.is_success else {"if-none-match": "*"}
        reason = {"x-change-reason": "Somebody else"}
        self.client.put(f"{BASE}/{tenant}", json=document, headers={**headers, **reason}).raise_for_status()

    def forget(self, tenant: str) -> None:
        """Delete the tenant, if it is there."""
        found = self.client.get(f"{BASE}/{tenant}")
        if found.is_success:
            self.client.delete(f"{BASE}/{tenant}", headers={"if-match": found.headers["etag"]}).raise_for_status()

    def upload(self, tenant: str, name: str, size: int = 5, kind: str = "text/plain") -> int:
        """Upload so many bytes under this name as a caller of the tenant; the status."""
        if tenant not in self._tokens:
            self._tokens[tenant] = self.stage.token(tenant)
        with self.stage.demo.client(self._tokens[tenant]) as client:
            return client.put(f"/proxy/{name}", content=b"x" * size, headers={"content-type": kind}).status_code

    def picture(self, name: str, *, whole: bool = False) -> None:
        """A view as the documentation shows it: it keeps the rules of accessibility, and its screenshot is there.

        `UPDATE_IMAGES=1` writes the screenshot anew.
        """
        if AXE.exists():
            assert self.broken_rules() == []
        path = IMAGES / f"console-{name}.png"
        if os.environ.get("UPDATE_IMAGES"):
            path.parent.mkdir(exist_ok=True)
            self.page.screenshot(path=path, animations="disabled", full_page=whole)
        assert path.exists()

    def blocked(self) -> list[str]:
        """What the page's policy had to stop."""
        found: list[str] = self.page.evaluate("window.violations ?? []")
        return found

    def broken_rules(self) -> list[Any]:
        """The rules of axe-core (WCAG 2.2 A and AA, best practices) that the page breaks, each with an example."""
        # Evaluated as the developer tools do, past the page's own policy.
        self.page.evaluate(f"(() => {{ {AXE.read_text()} }})()")
        script = "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"
        found: list[Any] = self.page.evaluate(script)
        return found

    def focused(self) -> str:
        """The accessible name of what has the focus, as far as this page makes names."""
        script = """() => {
          const { activeElement: here } = document;
          return here.getAttribute("aria-label") || here.labels?.[0]?.innerText || here.innerText || "";
        }"""
        name: str = self.page.evaluate(script)
        return " ".join(name.split())

    def tab_to(self, name: str, most: int = 80) -> None:
        """Press Tab until this has the focus, and see that one can see it."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if self.focused() == name:
                assert self.page.evaluate(OUTLINE) != "none"
                return
        raise AssertionError(f"Tab never reaches {name!r}")


Begin = Callable[..., Operator]
"""`begin(scheme="light", width=1280, token=None)`; a token of None is a good one, an empty one none."""


@contextmanager
def beginning(browser: Browser, stage: Stage, admin: str) -> Iterator[Begin]:
    """Makes operators; at the end none of their pages has complained."""
    made: list[Operator] = []
    with stage.demo.client(admin) as client:

        def begin(scheme: Scheme = "light", width: int = 1280, token: str | None = None) -> Operator:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
            )
            context.set_default_timeout(15_000)
            context.add_init_script(WATCHING)
            used = admin if token is None else token
            if used:
                context.add_init_script(f"sessionStorage.setItem({json.dumps(SESSION)}, {json.dumps(used)})")
            operator = Operator(context.new_page(), stage, client)
            made.append(operator)
            return operator

        yield begin
        complaints = [(operator.complaints, operator.blocked()) for operator in made]
        for operator in made:
            operator.page.context.close()
    assert complaints == [([], []) for _ in made]
