"""The OpenAPI 3.1 document, made from the table of routes and the models of what travels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from star_agents.web.docstrings import docstrings_of
from star_agents.web.problems import answer
from star_agents.web.replies import ProblemDocument
from star_agents.web.route import JSON, Route
from star_agents.web.schemas import Nothing

ALWAYS = (400, 401, 403, 421)
"""Problems that every route may answer: a bad parameter, no token, another site, another host."""
OPEN_ALWAYS = (400, 403, 421)
_REFERENCES = "#/components/schemas/{model}"
_PATTERN = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})*))?\}")
_HEADERS = {
    "Idempotency-Key": "Names this request: the same under the same key is taken once, and answered the same.",
    "Last-Event-ID": "The last event that a reader has; the stream goes on behind it.",
}
DOCUMENT: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("document")
"""Makes it when somebody asks: it takes longer than everything else at the start."""


async def get_document(request: web.Request, _: Nothing) -> web.Response:
    """This document."""
    return answer(request.app[DOCUMENT]())


@cache
def document(table: tuple[Route, ...], version: str) -> dict[str, Any]:
    """Every route with its parameters, bodies, answers and problems. Made once; not to be changed."""
    schemas, components = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "star_agents",
            "version": version,
            "description": "Many LLM agents turn a seed dataset into a better one for your target model.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _problem(status, schemas) for route in table for status in _problems(route)},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "star_agents_session"},
            },
        },
        "security": [{}, {"bearer": []}, {"session": []}],
    }


def plain_path(path: str) -> str:
    """A path without the patterns of its parts."""
    return _PATTERN.sub(r"{\1}", path)


class _WithDocstrings(GenerateJsonSchema):
    """Schemas whose fields are described by their docstrings, inherited ones too."""

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        texts = docstrings_of(schema["cls"])
        for name, one in made["properties"].items():
            one.pop("title", None)
            if name in texts:
                one["description"] = texts[name]
        return made


def _schemas(table: Iterable[Route]) -> tuple[dict[int, Any], dict[Any, Any]]:
    """The schema of every model that a route names, by the model's identity, and those that they refer to."""
    models = {id(model): model for route in table for model in (route.answer, route.body) if model is not None}
    models[id(ProblemDocument)] = ProblemDocument
    inputs: list[tuple[int, JsonSchemaMode, Any]] = [
        (key, "serialization", TypeAdapter(model).core_schema) for key, model in models.items()
    ]
    made, components = _WithDocstrings(ref_template=_REFERENCES).generate_definitions(inputs)
    return {key: schema for (key, _), schema in made.items()}, dict(components)


def _operation(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {
            str(route.status): _answer(route, schemas),
            **{str(status): _refusal(status, route, schemas) for status in _problems(route)},
        },
    }
    if route.is_open:
        operation["security"] = []
    if route.body is not None:
        content = {JSON: {"schema": schemas[id(route.body)]}}
        if route.lines:
            content["application/x-ndjson"] = {"schema": {"type": "string"}}
        content |= {kind: {"schema": {"type": "string", "format": "binary"}} for kind in route.files}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _problems(route: Route) -> list[int]:
    return sorted({*(OPEN_ALWAYS if route.is_open else ALWAYS), *route.errors} - {route.status})


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _part(pattern)}
        for name, pattern in _PATTERN.findall(route.path)
    ]


def _part(pattern: str) -> dict[str, Any]:
    return {"type": "string", **({"pattern": f"^{pattern}$"} if pattern else {"minLength": 1})}


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.pop("description", ""),
            "schema": _without_null(field),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or is left out; it is never null."""
    field.pop("title", None)
    if field.get("default", "") is None:
        del field["default"]
    choices = [one for one in field.pop("anyOf", []) if one != {"type": "null"}]
    return {**field, **(choices[0] if choices else {})}


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in route.headers
    ]


def _answer(route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.media:
        model = {"schema": schemas[id(route.answer)]} if route.answer is not None else {}
        described["content"] = {media: model if media == JSON else {} for media in route.media}
    return described


def _name(route: Route) -> str:
    path = re.sub("[^a-z0-9]+", "_", plain_path(route.path)).strip("_")
    return f"{route.method.lower()}_{path or 'page'}"


def _refusal(status: int, route: Route, schemas: dict[int, Any]) -> dict[str, Any]:
    """A problem; or under the same status the answer itself."""
    if status not in route.also_in:
        return {"$ref": f"#/components/responses/{status}"}
    described = _problem(status, schemas)
    return {**described, "content": {**described["content"], **_answer(route, schemas)["content"]}}


def _problem(status: int, schemas: dict[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": schemas[id(ProblemDocument)]}},
    }
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return described
