"""Processes of the tests that a Ctrl-C reaches."""

import signal


def takes_interrupts() -> None:
    """For `preexec_fn`: a shell that starts tests in the background has SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
