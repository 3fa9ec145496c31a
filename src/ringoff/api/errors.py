"""Every error in the shape that its endpoint family promises; the texts of the compatible API are exact."""

from enum import StrEnum
from typing import Any, Final

import msgspec
from starlette.responses import Response

from ringoff.domain.errors import (
    Busy,
    Conflict,
    ContradictoryInput,
    DatabaseUnavailable,
    InvalidInput,
    MigrationRefused,
    NotFound,
    NothingTerminable,
    NotReady,
    RingoffError,
    SerializationConflict,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from ringoff.operations.uploads import UploadRefused

STATUS_BY_ERROR: Final[dict[type[RingoffError], int]] = {
    InvalidInput: 400,
    ContradictoryInput: 422,
    NothingTerminable: 400,
    Unauthorized: 401,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    Busy: 503,
    DatabaseUnavailable: 503,
    SerializationConflict: 503,
    MigrationRefused: 503,
    NotReady: 503,
}
RETRY_AFTER_S: Final = "1"
INVALID_CREDENTIALS: Final = "Invalid credentials"


class ErrorShape(StrEnum):
    """The envelope of an endpoint family."""

    CODED = "coded"
    """``{"error": {"code", "message"}}``: workspace, outbound calls, history."""
    DETAIL = "detail"
    """``{"detail": "..."}``: campaigns, call details, agents."""
    AGENT = "agent"
    """``{"success": false, "error": {"code", "message"}}``: creation of agents."""
    STATUS = "status"
    """``{"status": "error", "message"}``: voices."""
    NATIVE = "native"
    """``{"error": {"code", "message", "field", "position"}}``: everything of our own."""


class CodedError(msgspec.Struct):
    code: str
    message: str


class CodedErrorBody(msgspec.Struct):
    error: CodedError


class DetailErrorBody(msgspec.Struct):
    detail: str


class AgentErrorBody(msgspec.Struct, kw_only=True):
    success: bool = False
    error: CodedError


class StatusErrorBody(msgspec.Struct, kw_only=True):
    status: str = "error"
    message: str


class NativeError(msgspec.Struct):
    code: str
    message: str
    field: str | None
    position: int | None


class NativeErrorBody(msgspec.Struct):
    error: NativeError


BODY_BY_SHAPE: Final[dict[ErrorShape, type[msgspec.Struct]]] = {
    ErrorShape.CODED: CodedErrorBody,
    ErrorShape.DETAIL: DetailErrorBody,
    ErrorShape.AGENT: AgentErrorBody,
    ErrorShape.STATUS: StatusErrorBody,
    ErrorShape.NATIVE: NativeErrorBody,
}

_UNEXPECTED: Final[dict[ErrorShape, msgspec.Struct]] = {
    ErrorShape.CODED: CodedErrorBody(
        CodedError("500 Internal Server Error", "An unexpected error occurred on the server.")
    ),
    ErrorShape.DETAIL: DetailErrorBody("An unexpected error occurred."),
    ErrorShape.AGENT: AgentErrorBody(error=CodedError("INTERNAL_SERVER_ERROR", "An unexpected error occurred.")),
    ErrorShape.STATUS: StatusErrorBody(message="An unexpected error occurred."),
    ErrorShape.NATIVE: NativeErrorBody(NativeError("internal_error", "An unexpected error occurred.", None, None)),
}


class JsonResponse(Response):
    """A response of anything that msgspec encodes."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def error_response(shape: ErrorShape, error: RingoffError) -> JsonResponse:
    """The answer to a caller's mistake, or to infrastructure that is out."""
    status = _status(shape, error)
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
    return JsonResponse(_body(shape, error), status, headers=headers)


def unexpected_response(shape: ErrorShape) -> JsonResponse:
    """The answer to a bug of ours: fixed words, and nothing of what happened."""
    return JsonResponse(_UNEXPECTED[shape], 500)


def plain_response(
    shape: ErrorShape, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JsonResponse:
    """An answer that no error class stands for: unknown route, wrong method, broken multipart."""
    return JsonResponse(_shaped(shape, code, message, None, None), status, headers=headers)


def located(error: RingoffError) -> str:
    """The message, led by its field and index unless it names the field itself."""
    # A refused upload names line and column already: its position counts lines of the file, not entries.
    if error.field is None or error.field in error.message or isinstance(error, UploadRefused):
        return error.message
    place = error.field if error.position is None else f"{error.field}[{error.position}]"
    return f"{place}: {error.message}"


def _status(shape: ErrorShape, error: RingoffError) -> int:
    for kind in type(error).__mro__:
        if kind in STATUS_BY_ERROR:
            status = STATUS_BY_ERROR[kind]
            # The compatible API knows no 409: its clients read every refusal of a wish as 400.
            return 400 if status == 409 and shape is not ErrorShape.NATIVE else status
    return 500


def _body(shape: ErrorShape, error: RingoffError) -> msgspec.Struct:
    if isinstance(error, Unauthorized):
        code = {ErrorShape.CODED: "401 Unauthorized"}.get(shape, error.code)
        return _shaped(shape, code, INVALID_CREDENTIALS, None, None)
    if shape is ErrorShape.NATIVE:
        return _shaped(shape, error.code, error.message, error.field, error.position)
    # Only input has a place; the other errors have fixed words in the compatible API.
    message = located(error) if isinstance(error, InvalidInput) else error.message
    return _shaped(shape, error.code, message, None, None)


def _shaped(shape: ErrorShape, code: str, message: str, field: str | None, position: int | None) -> msgspec.Struct:
    match shape:
        case ErrorShape.CODED:
            return CodedErrorBody(CodedError(code, message))
        case ErrorShape.DETAIL:
            return DetailErrorBody(message)
        case ErrorShape.AGENT:
            return AgentErrorBody(error=CodedError(code.upper(), message))
        case ErrorShape.STATUS:
            return StatusErrorBody(message=message)
        case ErrorShape.NATIVE:
            return NativeErrorBody(NativeError(code, message, field, position))
