"""Debian's Chromium, controlled by Playwright, and what a test asks of a page."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from playwright.sync_api import BrowserContext, Dialog, Page, Response, sync_playwright

from tests.support.parts import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Error

# No GPU, no sandbox for root, and no request of the browser's own.
_OPTIONS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1280, 900), (390, 844)
# Hostile values set this variable. The setter reports that a page ran them.
_TRAP = "Object.defineProperty(window, 'cbHostile', {set() { console.error('A hostile value ran.'); }});"
_SERIOUS = {"serious", "critical"}
_PATIENCE_MS = 20_000


@contextmanager
def chromium(domains: Iterable[str], address: str) -> Iterator[Browser]:
    """Run a browser for which `domains` and their subdomains are at `address`, and no other name exists.

    Raises `MissingPartError` if Chromium is not installed. Until the end, this thread has an event loop, so
    `asyncio.run` fails.
    """
    program = find_program("chromium")
    rules = [f"MAP {name} {address}" for domain in domains for name in (domain, f"*.{domain}")]
    options = [*_OPTIONS, f"--host-resolver-rules={', '.join([*rules, 'MAP * ~NOTFOUND'])}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Problems:
    """What went wrong in pages: errors of scripts, failed requests, dialogs, hostile values that ran."""

    found: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Note the problems of all pages of a context."""
        context.add_init_script(_TRAP)
        context.on("console", self._console)
        context.on("weberror", lambda event: self._error(event.error))
        context.on("dialog", self._dialog)
        context.on("response", self._response)

    def expect(self, text: str) -> None:
        """Remove the problems that contain this text; fail if there is none."""
        others = [problem for problem in self.found if text not in problem]
        assert others != self.found, f'No problem contains "{text}".'
        self.found = others

    def _console(self, message: ConsoleMessage) -> None:
        place = message.location["url"]
        # Nothing of the tests answers over HTTPS; WordPress loads pictures from other machines.
        if message.type == "error" and not place.startswith("https:"):
            self.found.append(f"console: {message.text} ({place})")

    def _error(self, error: Error) -> None:
        # WordPress asks for transitions between its screens; a page without them ends one.
        if "ViewTransition" in error.message:
            return
        self.found.append(f"script: {error.message}\n{error.stack}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"HTTP {response.status}: {response.url}")


def serious_violations(page: Page, *selectors: str) -> list[str]:
    """Return the serious and critical violations that axe finds in the elements, with the HTML of each place."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    for selector in selectors:
        assert page.locator(selector).count(), f'The page has no "{selector}".'
    results: dict[str, Any] = page.evaluate(
        "selectors => axe.run({include: selectors.map(one => [one])}, {resultTypes: ['violations']})", list(selectors)
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['html']}"
        for violation in results["violations"]
        for node in violation["nodes"]
        if (node["impact"] or violation["impact"]) in _SERIOUS
    ]


def scrolls_sideways(page: Page) -> bool:
    """Return whether the page is wider than its window."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth"))


def new_context(browser: Browser, *, size: tuple[int, int] = DESKTOP, **options: Any) -> BrowserContext:  # noqa: ANN401
    """Return a context with a window of this size; `options` are those of Playwright's `new_context`."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    context.set_default_timeout(_PATIENCE_MS)
    return context
