"""Several coroutines at once, as if they were one: the first failure ends all and is raised as it is."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_of(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; where one fails the others are cancelled and waited for."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
