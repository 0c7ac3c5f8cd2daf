"""How a client's work ends without success.

ClientError             its text is a sentence for a person
├── UsageError          what was asked for can't be meant
├── RefusedError        the gateway or S3 says no; has the problem
├── UnavailableError    nobody answers, or not as they should, and patience is over; to be tried again later
└── FileError           a local file can't be read, or changed while it was read
"""

from gateway.client.problem import Problem


class ClientError(Exception):
    """The root; raised as one of its kinds only."""


class UsageError(ClientError):
    """What was asked for can't be meant: a URL, an option, two files of one name."""


class RefusedError(ClientError):
    """An answer that says no, and would say so again."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


class UnavailableError(ClientError):
    """What may work later; what was sent is kept."""


class FileError(ClientError):
    """A file of this machine."""
