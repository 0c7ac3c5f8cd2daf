"""The limits of the HTTP front as a table: the members, defaults and meanings of `HttpLimits`, which owns them."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from gateway.server.http1 import HttpLimits
from gateway.settings.base import Table


def _meanings() -> dict[str, str]:
    """What each limit means, from the docstring's `Attributes`."""
    text = inspect.getdoc(HttpLimits) or ""
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", text, flags=re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said[0].upper() + said[1:]) for name, said in entries}


def _members() -> Iterator[tuple[str, Any]]:
    meanings = _meanings()
    for field in fields(HttpLimits):
        kind = int if isinstance(field.default, int) else float
        yield field.name, (kind, Field(default=field.default, gt=0, description=meanings[field.name]))


if TYPE_CHECKING:

    class Http(Table):
        """What one connection may cost, and how many there may be; sizes in bytes, times in seconds."""

else:
    Http = create_model(
        "Http",
        __base__=Table,
        __doc__="What one connection may cost, and how many there may be; sizes in bytes, times in seconds.",
        **dict(_members()),
    )


def http_limits(table: Http) -> HttpLimits:
    """The limits that the table says."""
    return HttpLimits(**table.model_dump())
