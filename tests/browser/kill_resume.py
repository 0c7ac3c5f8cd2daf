"""A large file through the upload page in Chromium, the browser and the gateway killed in turn, and no part sent twice.

    .venv/bin/python -m tests.browser.kill_resume --size 1GiB --rounds 10

The page sends with Uppy. Each round kills Chromium with SIGKILL after a number of parts that the seed chooses, opens
the page in a new one and chooses the file again; then it kills the gateway (its S3 dies with it) and starts it again
under the page that is open. Whenever somebody died S3 is asked for its parts: one that it had must still be the one it
took then, and no request of a page may be for a part that S3 had when the page was opened. In the end what is stored
has the file's SHA-256. Ends with status 1 at the first broken promise.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Error, Playwright, sync_playwright

from gateway.cli.put import size_in_bytes
from tests.browser.conftest import NO_PICKER
from tests.browser.stage import Visit, chromium
from tests.browser.test_upload_page import choose, part_numbers, row, state
from tests.client.kill_resume import KEY, NAME, BrokenPromiseError, stored_digest, wait_for_another_second, written
from tests.client.room import Room, room

LONGEST: Final = 120.0
"""Seconds in which something must move."""

BETWEEN: Final = 0.2
"""Seconds between two looks."""

PART: Final = 8 * 2**20

PACE: Final = 4
"""Parts a second that the browser's network takes: slow enough that every round meets an upload under way."""


@dataclass(slots=True, kw_only=True)
class Window:
    """One Chromium, by its profile, with the page open; killed by the process that it is."""

    visit: Visit
    profile: Path

    def kill(self) -> None:
        """SIGKILL for the browser; what it started ends by itself."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = entry.read_bytes().decode(errors="replace").split("\0")
                if f"--user-data-dir={self.profile}" in words and not any(word.startswith("--type=") for word in words):
                    os.kill(int(entry.parent.name), signal.SIGKILL)

    def go_on(self) -> None:
        """Press "Try again" where the page waits for that."""
        again = row(self.visit.page, NAME).get_by_role("button", name="Try again")
        if again.is_visible():
            again.click()


@dataclass(slots=True, kw_only=True)
class Rounds:
    """A run: who takes part, and what S3 was seen to have."""

    room: Room
    folder: Path
    playwright: Playwright
    chance: random.Random
    step: int
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)
    had: frozenset[int] = frozenset()
    kills: int = 0
    windows: int = 0

    def run(self, rounds: int) -> None:
        """All rounds, and then to the end; raises BrokenPromiseError."""
        with self._window() as first:
            choose(first.visit.page, self.folder / NAME)
            self._await(first, self.step)
            self._browser_killed(first)
        for number in range(rounds):
            with self._window() as window:
                choose(window.visit.page, self.folder / NAME, button=f"Choose file {NAME}")
                self._await(window, self._soon())
                self._gateway_killed(window)
                self._await(window, self._soon())
                if number + 1 == rounds:
                    self._finish(window)
                else:
                    self._browser_killed(window)
            print(f"round {number + 1}: {len(self.seen)} parts in S3, none sent again", flush=True)

    def _soon(self) -> int:
        return len(self.seen) + self.chance.randint(1, self.step)

    @contextmanager
    def _window(self) -> Iterator[Window]:
        self.windows += 1
        profile = self.folder / f"profile-{self.windows}"
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        context = self.playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium(), args=arguments, headless=True
        )
        context.set_default_timeout(LONGEST * 1000)
        context.add_init_script(NO_PICKER)
        window = Window(visit=Visit(context), profile=profile)
        window.visit.slow(PACE * PART)
        window.visit.page.goto(f"{self.room.url}/#token={self.room.token(ttl=86_400)}")
        try:
            yield window
        finally:
            with suppress(Error):  # a browser that was killed is closed
                context.close()

    def _await(self, window: Window, parts: int) -> None:
        """Wait until S3 has so many parts, or the whole."""
        deadline = time.monotonic() + LONGEST
        while len(self.room.parts(KEY)) < parts and self.room.uploads(KEY):
            if time.monotonic() > deadline:
                raise BrokenPromiseError(f"the page does not go on: {state(window.visit.page, NAME).inner_text()}")
            window.go_on()
            window.visit.page.wait_for_timeout(BETWEEN * 1000)

    def _browser_killed(self, window: Window) -> None:
        self._look(window)
        window.kill()
        self.kills += 1
        wait_for_another_second()
        self._look()
        self.had = frozenset(self.seen)

    def _gateway_killed(self, window: Window) -> None:
        self._look(window)
        self.room.kill()
        self.kills += 1
        wait_for_another_second()
        self.room.start()
        self._look(window)

    def _look(self, window: Window | None = None) -> None:
        """Hold what S3 has against what it had; once it is put together there are no parts any more."""
        there = self.room.parts(KEY)
        for number, before in self.seen.items():
            if there and there.get(number, ("gone", "")) != before:
                raise BrokenPromiseError(f"part {number} was {before} and is {there.get(number)}")
        self.seen |= there
        again = self.had & set(part_numbers(window.visit.sent("PUT", "partNumber="))) if window else None
        if again:
            raise BrokenPromiseError(f"parts that S3 had were sent again: {sorted(again)}")

    def _finish(self, window: Window) -> None:
        deadline = time.monotonic() + 10 * LONGEST
        while not (said := state(window.visit.page, NAME).inner_text()).startswith("Stored as"):
            if time.monotonic() > deadline:
                raise BrokenPromiseError(f"the page does not end: {said}")
            window.go_on()
            window.visit.page.wait_for_timeout(BETWEEN * 1000)
        self._look(window)


def run(folder: Path, *, size: int, rounds: int, seed: int) -> Rounds:
    """A whole run in an empty folder; raises BrokenPromiseError. Nothing is left running."""
    digest = written(folder / NAME, size)
    step = max(1, (-(-size // PART) - 2) // (2 * rounds + 1))
    with room(folder / "data") as there, sync_playwright() as playwright:
        done = Rounds(room=there, folder=folder, playwright=playwright, chance=random.Random(seed), step=step)
        done.run(rounds)
        if stored_digest(there) != digest:
            raise BrokenPromiseError("what is stored is not the file")
        if there.uploads(KEY):
            raise BrokenPromiseError("something is left of the upload")
    return done


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill the browser and the gateway while a page sends a file.")
    parser.add_argument("--size", type=size_in_bytes, default=2**30)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as folder:
        try:
            done = run(Path(folder), size=options.size, rounds=options.rounds, seed=options.seed)
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", flush=True)
            return 1
    took = time.monotonic() - began
    print(f"{options.size} bytes, {done.kills} kills, no part sent twice, equal by SHA-256; {took:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
