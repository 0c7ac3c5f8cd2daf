"""The command line: `upload-gateway demo | token`."""


def main() -> int:
    """Run the command that the arguments name; the exit status is returned."""
    raise SystemExit(2)
