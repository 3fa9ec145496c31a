"""The typed route layer: authenticate, then read and convert, then call the handler, then answer in the route's shape.

A handler says by its annotations what it takes: ``body`` (a JSON value), ``query``, ``headers`` and ``form`` (structs
of named parameters), ``file`` (the upload of a form), and the names in its path. Nothing of the body is read before
the key was found to be good. Every error becomes a response here, and nowhere else.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, get_type_hints

import msgspec
import structlog
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ringoff.api.auth import authenticate
from ringoff.api.bodies import convert, form_texts, header_texts, query_texts, read_form, read_json, require_storable
from ringoff.api.errors import ErrorShape, JsonResponse, error_response, plain_response, unexpected_response
from ringoff.api.services import Services
from ringoff.domain.errors import RingoffError

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)
T = TypeVar("T")

PATH_TEMPLATE: Final = "ringoff.path_template"
"""Where the access log finds the path without its ids."""
IS_STREAM: Final = "ringoff.is_stream"
"""Where it finds that an answer lasts as long as somebody looks at it."""
FILE_FIELD: Final = "file"

_log = structlog.get_logger("ringoff.api")


class NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a route that takes none."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """Content with headers of its own."""

    content: T
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnswerHeader:
    """What the document says of a header of a good answer."""

    words: str
    is_always_there: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with everything that the OpenAPI document says about it."""

    method: str
    path: str
    handler: Handler
    shape: ErrorShape
    status: int
    needs_key: bool
    tag: str
    errors: tuple[int, ...]
    deprecated: bool
    documented_body: Any
    """The schema to show for ``body`` where the handler reads the value more strictly than a schema can say."""
    media_type: str | None
    """Of a good answer that is not JSON; the handler returns the response itself."""
    answer_headers: Mapping[str, AnswerHeader]
    hints: Mapping[str, Any]
    path_parameters: type[msgspec.Struct]
    query_parameters: type[msgspec.Struct]

    @property
    def is_heavy(self) -> bool:
        """It takes a file or gives one, and holds a connection of the database meanwhile."""
        return "file" in self.hints or self.media_type is not None

    @property
    def content_type(self) -> Any:
        """What a good answer contains, without the headers around it."""
        hint = self.hints["return"]
        return hint.__args__[0] if getattr(hint, "__origin__", None) is Answer else hint


@dataclass(slots=True)
class RouteTable:
    """Routes of one family: a common prefix, an error shape, a tag."""

    prefix: str
    shape: ErrorShape
    tag: str
    operations: list[Operation] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        needs_key: bool = True,
        errors: tuple[int, ...] = (),
        deprecated: bool = False,
        documented_body: Any = None,
        media_type: str | None = None,
        answer_headers: Mapping[str, AnswerHeader] = MappingProxyType({}),
    ) -> Callable[[H], H]:
        """Register the decorated handler."""

        def register(handler: H) -> H:
            hints = _hints(handler)
            full_path = self.prefix + path
            in_path = [(name, hint) for name, hint in hints.items() if f"{{{name}}}" in full_path]
            self.operations.append(
                Operation(
                    method=method,
                    path=full_path,
                    handler=handler,
                    shape=self.shape,
                    status=status,
                    needs_key=needs_key,
                    tag=self.tag,
                    errors=errors,
                    deprecated=deprecated,
                    documented_body=documented_body,
                    media_type=media_type,
                    answer_headers=answer_headers,
                    hints=hints,
                    path_parameters=msgspec.defstruct("PathParameters", in_path),
                    query_parameters=hints.get("query", NoParameters),
                )
            )
            return handler

        return register


class Endpoint:
    """All methods of one path, as an ASGI application."""

    def __init__(self, services: Services, path: str, operations: Iterable[Operation]) -> None:
        self._services = services
        self._path = path
        self._by_method = {operation.method: operation for operation in operations}
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]
        self._shape = next(iter(self._by_method.values())).shape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PATH_TEMPLATE] = self._path
        async with AsyncExitStack() as held:
            response = await self._respond(Request(scope, receive), held)
            await response(scope, receive, send)

    async def _respond(self, request: Request, held: AsyncExitStack) -> Response:
        operation = self._by_method.get(request.method)
        if operation is None:
            allowed = ", ".join(sorted(self._by_method))
            return plain_response(
                self._shape, 405, "method_not_allowed", f"{request.method} is not allowed here", {"Allow": allowed}
            )
        try:
            return await _run(operation, self._services, request, held)
        except RingoffError as error:
            response = error_response(operation.shape, error)
            if response.status_code >= 500:
                _log.error("request_failed", code=error.code, reason=error.message)
            return response
        except HTTPException as error:
            return plain_response(operation.shape, error.status_code, "invalid_parameter", error.detail)
        except ClientDisconnect:
            # Nobody reads this answer; the access log does.
            return plain_response(operation.shape, 400, "client_disconnected", "the client left before the body ended")
        except Exception:  # noqa: BLE001 - the last floor: the caller gets an answer, the log gets the trace
            _log.exception("request_crashed")
            return unexpected_response(operation.shape)


def routes_of(services: Services, operations: Iterable[Operation]) -> list[Route]:
    """One route for each path, fixed paths before those with parameters."""
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    return [Route(path, Endpoint(services, path, by_path[path])) for path in sorted(by_path, key=lambda p: "{" in p)]


async def _run(operation: Operation, services: Services, request: Request, held: AsyncExitStack) -> Response:
    """What is ``held`` is held until the answer has been sent."""
    given: dict[str, Any] = {}
    if operation.needs_key:
        given["principal"] = await authenticate(services.store, request)
    _take_path_and_query(operation, request, given)
    form: FormData | None = None
    try:
        if "body" in operation.hints:
            given["body"] = convert(await read_json(request, services.limits), operation.hints["body"], strict=True)
        elif "form" in operation.hints:
            form = await read_form(request, services.limits)
            texts, given["file"] = form_texts(form, FILE_FIELD)
            given["form"] = convert(texts, operation.hints["form"], strict=False)
        if operation.is_heavy and operation.needs_key:
            # Not before the body has come: whoever sends it slowly keeps nobody waiting.
            await held.enter_async_context(services.heavy_requests.place(given["principal"].workspace_id))
        result = await operation.handler(services, **given)
    finally:
        if form is not None:
            await form.close()
    return _response(operation, result)


def _take_path_and_query(operation: Operation, request: Request, given: dict[str, Any]) -> None:
    texts = dict(request.path_params)
    require_storable(texts)
    given.update(msgspec.structs.asdict(convert(texts, operation.path_parameters, strict=False)))
    query = convert(query_texts(request, operation.query_parameters), operation.query_parameters, strict=False)
    if "query" in operation.hints:
        given["query"] = query
    if "headers" in operation.hints:
        struct = operation.hints["headers"]
        given["headers"] = convert(header_texts(request, struct), struct, strict=False)


def _response(operation: Operation, result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if operation.status == 204:
        return Response(status_code=204)
    if isinstance(result, Answer):
        return JsonResponse(result.content, operation.status, headers=dict(result.headers))
    return JsonResponse(result, operation.status)


def _hints(handler: Handler) -> Mapping[str, Any]:
    hints = get_type_hints(handler, include_extras=True)
    takes = set(inspect.signature(handler).parameters)
    return {name: hint for name, hint in hints.items() if name in takes or name == "return"}
