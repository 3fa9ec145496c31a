"""Every way a caller can be wrong or the infrastructure can be broken: one root, few children, stable codes.

A busy line is not an exception; how a call ends is a value (see ``release_cause``).
"""

from typing import ClassVar


class RingoffError(Exception):
    """The root. ``code`` is stable and public; ``field`` and ``position`` point at the offending input."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, field: str | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.position = position


class InvalidInput(RingoffError):
    """The input breaks a rule; nothing was changed."""

    code = "invalid_parameter"


class ContradictoryInput(InvalidInput):
    """Each part is right by itself, and together they say nothing, or two things; nothing was changed."""


class NothingTerminable(RingoffError):
    """A termination covers no call that is registered or in retry; nothing was changed."""

    code = "nothing_terminable"


class NotFound(RingoffError):
    """No such thing in the caller's workspace (another workspace's things do not exist)."""

    code = "not_found"


class Conflict(RingoffError):
    """The thing exists but its state does not allow the wish."""

    code = "conflict"


class Unauthorized(RingoffError):
    """The key is missing, unknown or revoked."""

    code = "unauthorized"


class TooLarge(RingoffError):
    """The body is over its limit."""

    code = "too_large"


class UnsupportedMediaType(RingoffError):
    """The body's content type is not one that this route reads."""

    code = "unsupported_media_type"


class DatabaseUnavailable(RingoffError):
    """The database cannot be reached or is restarting; whether the last write was kept is unknown."""

    code = "database_unavailable"


class Busy(RingoffError):
    """The caller's workspace has as many requests of this kind in hand as it may; nothing was changed."""

    code = "busy"


class MigrationRefused(RingoffError):
    """The schema is not one that this version may run on (edited, newer, or older than supported)."""

    code = "migration_refused"


class NotReady(RingoffError):
    """This process should be given no work now: it starts, it stops, or a part of it has failed."""

    code = "not_ready"


class SerializationConflict(RingoffError):
    """The database ended this transaction to let another one pass; nothing was changed, and trying again is right."""

    code = "serialization_conflict"
