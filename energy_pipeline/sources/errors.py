"""What a supplier's refusal means for the caller: can trying again help, and when.

A message names the supplier, the request, the value and the cure. It never holds a key, and no
exception of the HTTP library travels along as its cause or context: those carry the request.
"""

from __future__ import annotations


class SourceError(Exception):
    """A supplier gave no usable answer. The text is fit for a household to read."""


class SourceRejected(SourceError):
    """The request or the file itself is wrong. A rerun cannot change the answer."""


class KeyRejected(SourceRejected):
    """The key is missing, wrong or revoked. The text names the variable and the cure."""


class WindowTooLarge(SourceRejected):
    """The supplier wants fewer days in one request. Halve the window and ask again."""


class SourceUnavailable(SourceError):
    """Worth another attempt: 408, 5xx, the network, or an answer that is not what was expected."""


class SourceThrottled(SourceUnavailable):
    """Too many requests. Worth another attempt once `retry_after_seconds` have passed."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message, retry_after_seconds)  # both, so that it survives pickling
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return str(self.args[0])
