"""The life of a function in Lambda: initialised once, perhaps frozen into a snapshot, restored any number of times.

SnapStart makes one snapshot of an initialised sandbox a version and starts every later sandbox from it, hours or days
on, many at once (Lambda Developer Guide, "Improving startup performance with Lambda SnapStart"). What was built before
it would carry one clock's past, one session's credentials, one generator's state and dead connections into all of them.
So nothing that was built before a snapshot serves after it: a rehearsal builds the whole function once and throws it
away, which leaves modules imported and data files parsed, and each restored sandbox builds its own.
"""

import gc
import logging
import random
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.functions.telemetry import Telemetry

_LOG: Final = logging.getLogger(__name__)

_KIND: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
_SNAPSHOT: Final = "snap-start"

Result = TypeVar("Result")
Work = Callable[[Any, Any], Result]


class Hooks(Protocol):
    """What `snapshot_restore_py`, a module of Lambda's Python runtimes, offers."""

    def register_before_snapshot(self, hook: Callable[[], None]) -> None:
        """Have it called before the snapshot is made."""
        ...

    def register_after_restore(self, hook: Callable[[], None]) -> None:
        """Have it called in each sandbox that begins with the snapshot; it has ten seconds."""
        ...


class Sandbox(Generic[Result]):
    """What Lambda calls. `build` makes the function, `rehearse` does the same without asking anybody for anything.

    `describe` says what an answer came to, for the telemetry. `environment` is the process's own, which Lambda changes
    with each event. Outside of Lambda nothing is done before the first event.
    """

    def __init__(
        self,
        build: Callable[[], Work[Result]],
        rehearse: Callable[[], object],
        *,
        describe: Callable[[Any, Result], Mapping[str, str]],
        environment: Mapping[str, str],
        hooks: Hooks | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._build = build
        self._rehearse = rehearse
        self._describe = describe
        self._telemetry = telemetry or Telemetry(environment)
        self._work: Work[Result] | None = None
        kind = environment.get(_KIND)
        if kind == _SNAPSHOT:
            found = hooks or snapshot_hooks()
            if found is not None:
                found.register_before_snapshot(self.before_snapshot)
                found.register_after_restore(self.after_restore)
        elif kind is not None:
            with suppress(OSError):  # the first event says so, if it is still so then
                self._work = build()

    def __call__(self, event: Any, context: Any) -> Result:
        """The function's answer; the first call builds the function, and raises what that raises."""
        return self._telemetry.told(lambda: self._answer(event, context), event, context, self._describe)

    def before_snapshot(self) -> None:
        """Import, parse and compile whatever takes time, and keep no object that was made of it."""
        self._rehearse()
        gc.collect()

    def after_restore(self) -> None:
        """Begin anew: generators of random numbers get a state of their own, and the function is built again."""
        random.seed()
        ssl.RAND_add(random.SystemRandom().randbytes(32), 32.0)
        self._telemetry.restored()
        self._work = None

    def _answer(self, event: Any, context: Any) -> Result:
        if self._work is None:
            self._work = self._build()
        return self._work(event, context)


def snapshot_hooks() -> Hooks | None:
    """Where hooks are registered; None outside of Lambda's runtimes."""
    try:
        import snapshot_restore_py  # type: ignore[import-not-found]  # noqa: PLC0415 - only Lambda's runtimes have it
    except ImportError:
        _LOG.warning("This runtime has no hooks for snapshots")
        return None
    hooks: Hooks = snapshot_restore_py
    return hooks
