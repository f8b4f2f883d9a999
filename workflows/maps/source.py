"""The source of a journey: its module, its class and the methods that its author wrote."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from workflows.journey import Journey

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A function with the module it was written in."""

    function: Function
    module: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A journey's code: its methods by name, those of the kit left out, and what it says on top."""

    journey: type
    kind: str
    methods: Mapping[str, Written]
    module: Mapping[str, Any]
    top: str

    @property
    def properties(self) -> Mapping[str, ast.expr]:
        """What those of its methods return that have nothing else in them."""
        found: dict[str, ast.expr] = {}
        for name, written in self.methods.items():
            last = written.function.body[-1]
            lines = [one for one in written.function.body if not _is_docstring(one)]
            if len(lines) == 1 and isinstance(last, ast.Return) and last.value:
                found[name] = last.value
        return found

    def literals(self, keyword: str) -> tuple[str, ...]:
        """The texts that its code passes by this keyword, in order."""
        found: dict[str, None] = {}
        for written in self.methods.values():
            for node in ast.walk(written.function):
                if isinstance(node, ast.keyword) and node.arg == keyword:
                    value = _text(node.value, written.module)
                    found |= {value: None} if value else {}
        return tuple(found)


def source_of(journey: type) -> Source:
    """Reads the source of a journey from the file it was defined in."""
    methods: dict[str, Written] = {}
    kit = set(Journey.__mro__)
    for one in reversed([each for each in journey.__mro__ if each not in kit]):
        module = vars(sys.modules[one.__module__])
        for function in _class(one).body:
            if isinstance(function, Function):
                methods[function.name] = Written(function=function, module=module)
    module = sys.modules[journey.__module__]
    return Source(
        journey=journey,
        kind=kind_of(journey),
        methods=methods,
        module=vars(module),
        top=inspect.cleandoc(module.__doc__ or journey.__doc__ or ""),
    )


def kind_of(journey: type) -> str:
    """The name under which Temporal knows a journey."""
    definition: Any = getattr(journey, "__temporal_workflow_definition", None)
    return str(definition.name) if definition else journey.__name__.lower()


def function_of(value: object) -> Written | None:
    """A function of a module beside the journey, with its source."""
    if not inspect.isfunction(value):
        return None
    module = sys.modules[value.__module__]
    for node in _tree(value.__module__).body:
        if isinstance(node, Function) and node.name == value.__name__:
            return Written(function=node, module=vars(module))
    return None


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _text(node: ast.expr, module: Mapping[str, Any]) -> str | None:
    value = module.get(node.id) if isinstance(node, ast.Name) else None
    value = node.value if isinstance(node, ast.Constant) else value
    return value if isinstance(value, str) else None


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


def _class(one: type) -> ast.ClassDef:
    for node in ast.walk(_tree(one.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == one.__name__:
            return node
    raise LookupError(f"{one.__module__} has no class {one.__name__} in its source")
