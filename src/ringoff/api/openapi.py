"""The OpenAPI 3.1 document of all routes, made from the same annotations that the route layer obeys."""

import inspect
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from ringoff import __version__
from ringoff.api.auth import API_KEY_HEADER
from ringoff.api.errors import BODY_BY_SHAPE
from ringoff.api.routing import FILE_FIELD, Operation

_REF: Final = "#/components/schemas/{name}"
_KEY_SCHEME: Final = "apiKey"
_REQUEST_ID: Final = {
    "X-Request-Id": {"description": "As given, or made.", "required": True, "schema": {"type": "string"}},
}


class _Schemas:
    """One schema for each type that any operation mentions."""

    def __init__(self, types: Sequence[Any]) -> None:
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_type = list(zip(types, schemas, strict=True))

    def of(self, wanted: Any) -> dict[str, Any]:
        return next(schema for known, schema in self._by_type if known is wanted)

    def parameters(self, struct: type[msgspec.Struct], place: str) -> list[dict[str, Any]]:
        """The fields of a struct as parameters, and the struct out of the components."""
        (schema,), components = msgspec.json.schema_components([struct], ref_template=_REF)
        fields = components[schema["$ref"].rsplit("/", 1)[1]]
        required = fields.get("required", ())
        return [
            {"name": name, "in": place, "required": name in required, "schema": shown}
            for name, shown in fields["properties"].items()
        ]


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document as plain values."""
    schemas = _Schemas(_mentioned(operations))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ringoff",
            "version": __version__,
            "summary": "Outbound calling with a kill switch.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {_KEY_SCHEME: {"type": "apiKey", "in": "header", "name": API_KEY_HEADER}},
        },
    }


def _mentioned(operations: Sequence[Operation]) -> list[Any]:
    types: list[Any] = []
    for operation in operations:
        answer = None if operation.media_type else operation.content_type
        for mentioned in (_body_type(operation), operation.hints.get("form"), answer):
            if mentioned not in (None, type(None)) and mentioned not in types:
                types.append(mentioned)
    return [*types, *BODY_BY_SHAPE.values()]


def _body_type(operation: Operation) -> Any:
    return operation.documented_body or operation.hints.get("body")


def _described(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": (inspect.getdoc(operation.handler) or "").splitlines()[0],
        "tags": [operation.tag],
        "responses": _responses(operation, schemas),
    }
    parameters = schemas.parameters(operation.path_parameters, "path")
    parameters += schemas.parameters(operation.query_parameters, "query")
    if "headers" in operation.hints:
        parameters += schemas.parameters(operation.hints["headers"], "header")
    if parameters:
        described["parameters"] = parameters
    if operation.deprecated:
        described["deprecated"] = True
    described["security"] = [{_KEY_SCHEME: []}] if operation.needs_key else []
    if body := _request_body(operation, schemas):
        described["requestBody"] = {"required": True, "content": body}
    return described


def _request_body(operation: Operation, schemas: _Schemas) -> dict[str, Any] | None:
    if "form" in operation.hints:
        # The component is closed, so the file must stand among its fields and cannot be added from outside.
        fields = schemas.components[schemas.of(operation.hints["form"])["$ref"].rsplit("/", 1)[1]]
        form = {
            **fields,
            "properties": {FILE_FIELD: {"type": "string", "format": "binary"}, **fields["properties"]},
            "required": [FILE_FIELD, *fields.get("required", ())],
        }
        return {"multipart/form-data": {"schema": form}}
    body = _body_type(operation)
    return None if body is None else {"application/json": {"schema": schemas.of(body)}}


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase, "headers": dict(_REQUEST_ID)}
    if operation.media_type:
        good["content"] = {operation.media_type: {"schema": {"type": "string"}}}
    elif operation.status != 204:
        good["content"] = {"application/json": {"schema": schemas.of(operation.content_type)}}
    for name, header in operation.answer_headers.items():
        good["headers"][name] = {
            "description": header.words,
            "required": header.is_always_there,
            "schema": {"type": "string"},
        }
    error_schema = schemas.of(BODY_BY_SHAPE[operation.shape])
    responses = {str(operation.status): good}
    for status in sorted(_error_statuses(operation)):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "headers": dict(_REQUEST_ID),
            "content": {"application/json": {"schema": error_schema}},
        }
    return responses


def _error_statuses(operation: Operation) -> set[int]:
    statuses = {400, 500, *operation.errors}
    if operation.needs_key:
        statuses |= {401, 503}
    if {"body", "form"} & set(operation.hints):
        statuses |= {413, 415}
    return statuses
