"""A child that knows when its parent is gone, however it went."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tied(number: signal.Signals) -> Callable[[], None]:
    """A function for the child of this process to call first: it gets the signal when this *thread* ends.

    The library is loaded here, before the fork (prctl(2), PR_SET_PDEATHSIG). Where that is not Linux, it does nothing.
    """
    if sys.platform != "linux":
        return lambda: None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the kernel knew
            os._exit(1)

    return tie
