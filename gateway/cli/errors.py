"""What ends a command with a sentence for the person who ran it, and nothing else."""


class CommandError(Exception):
    """Its text is printed after `upload-gateway:`; `status` is the exit status."""

    def __init__(self, text: str, *, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
