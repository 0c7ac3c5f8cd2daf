"""What can go wrong on one machine, as one kind of exception whose message is the sentence a person reads."""


class DemoError(Exception):
    """The local deployment can't go on; the message is one sentence that says why and, where it can, what to do."""
