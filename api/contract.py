"""The OpenAPI document: bodies of routes that read their own, and the problems of all routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"


class Problem(BaseModel):
    """RFC 9457, with a stable `code`."""

    type: str
    title: str
    status: int
    detail: str
    code: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused; nothing changed.",
        "content": {
            "application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}
        },
    },
    "503": {
        "description": "A part of the stack is away; repeating the call later is safe.",
        "content": {
            "application/problem+json": {"schema": {"$ref": REFERENCE.format(model="Problem")}}
        },
    },
}


def body_schema(model: type[BaseModel], *media_types: str) -> dict[str, Any]:
    """What `openapi_extra` needs to say that a route reads this model."""
    schema = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}
    content = dict.fromkeys(media_types or ("application/json",), schema)
    return {"requestBody": {"required": True, "content": content}}


def reply(
    model: type[BaseModel], status: int = 200, kind: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """What `responses` needs to say that a route answers with this model, or with a problem."""
    schema = {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}
    return {status: {"description": model.__doc__ or "", "content": {kind: schema}}, **PROBLEMS}


def describe(app: FastAPI, models: tuple[type[BaseModel], ...]) -> None:
    """Give the app an OpenAPI document that holds the schemas of these models."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            whole = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas: dict[str, Any] = whole.setdefault("components", {}).setdefault("schemas", {})
            for model in (Problem, *models):
                schemas.update(schemas_of(model))
            app.openapi_schema = whole
        return app.openapi_schema

    app.openapi = document


def schemas_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model and of those it refers to, by name."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    return {**schema.pop("$defs", {}), model.__name__: schema}
