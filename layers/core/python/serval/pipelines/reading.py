"""What an expression reads: its tree is walked beside what is known of the values it reads.

Only a part of JSONata is taken, on which its engines agree: no regular expressions, no wildcards or
parents, nothing that depends on the time or on chance.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from serval.pipelines.shapes import ANY, SCALAR, NoSuchField, Shape, field_of, merge

FUNCTIONS = frozenset((
    "sum", "count", "max", "min", "average", "string", "substring", "substringBefore",
    "substringAfter", "lowercase", "uppercase", "length", "trim", "contains", "replace", "split",
    "join", "number", "floor", "ceil", "round", "abs", "sqrt", "power", "boolean", "not", "map",
    "zip", "filter", "single", "reduce", "sift", "keys", "lookup", "append", "exists", "spread",
    "merge", "reverse", "each", "error", "assert", "type", "sort", "distinct", "base64encode",
    "base64decode", "encodeUrlComponent", "encodeUrl", "decodeUrlComponent", "decodeUrl",
))  # fmt: skip
"""Functions whose results are the same everywhere and do not grow without bound."""
NOT_TAKEN = {
    "regex": "a regular expression",
    "wildcard": "a wildcard ('*')",
    "descendant": "a wildcard ('**')",
    "parent": "a parent ('%')",
    "transform": "a transform ('|…|')",
    "partial": "a partial application ('?')",
}
TUPLES = "a variable bound on the way ('@' or '#')"
ROOT, CONTEXT = "$", ""
"""Names of the variables ``$$`` and ``$``."""
Scope = Mapping[str, Shape]


@dataclass(slots=True)
class Reading:
    """Collects what an expression reads, and what is wrong with it."""

    root: Mapping[str, Shape]
    """Name of an input or a step → its shape."""
    whole: set[str] = field(default_factory=set)
    """Names that are read as a whole."""
    parts: set[tuple[str, str]] = field(default_factory=set)
    """Names, each with one of its fields that is read."""
    mistakes: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Everything that is read."""
        return self.whole | {name for name, _ in self.parts}

    def walk(self, tree: Any) -> Shape:
        """Walk a whole expression; return the shape of what it gives."""
        return self._visit(tree, AT_ROOT, {})

    def _visit(self, node: Any, context: Any, scope: Scope) -> Shape:
        """Walk a node; ``context`` is the shape of what names are looked up in."""
        kind = str(node.type)
        if kind in NOT_TAKEN:
            self.mistakes.append(f"{NOT_TAKEN[kind]} is not taken here")
            return ANY
        visit = VISITS.get(kind, Reading._visit_literal)
        shape = visit(self, node, context, scope)
        for each in getattr(node, "predicate", None) or ():
            self._visit(each.expr, shape, scope)
        if kind != "path" and getattr(node, "group", None) is not None:
            shape = self._visit_group(node.group, shape, scope)
        return shape

    def _visit_literal(self, node: Any, context: Any, scope: Scope) -> Shape:
        return SCALAR

    def _visit_path(self, node: Any, context: Any, scope: Scope) -> Shape:
        steps = list(node.steps)
        shape: Shape | Any = context
        if is_variable(steps[0], ROOT) or (is_variable(steps[0], CONTEXT) and context is AT_ROOT):
            shape, steps = AT_ROOT, steps[1:]
            if not steps or steps[0].type != "name":
                self.mistakes.append("'$' and '$$' alone stand for everything: name what is read")
                return ANY
        where = "it"
        if shape is AT_ROOT and steps[0].type == "name":
            where = repr(str(steps[0].value))
            shape = self._read(str(steps[0].value), steps[1:])
            shape, steps = self._filter(steps[0], shape, scope), steps[1:]
        for step in steps:
            shape = self._filter(step, self._step(step, shape, scope, where), scope)
            where = repr(str(step.value)) if step.type == "name" else "it"
        found: Shape = shape
        return found if node.group is None else self._visit_group(node.group, found, scope)

    def _step(self, step: Any, shape: Shape, scope: Scope, where: str = "it") -> Shape:
        """Walk one step of a path from a value of this shape; ``where`` names that value."""
        if step.type == "name":
            try:
                return field_of(shape, str(step.value), where)
            except NoSuchField as mistake:
                self.mistakes.append(str(mistake))
                return ANY
        if step.type == "sort":
            for term in step.terms:
                self._visit(term.expression, shape, scope)
            return shape
        return self._visit(step, shape, scope)

    def _filter(self, step: Any, shape: Shape, scope: Scope) -> Shape:
        """Walk what chooses among the items of a step."""
        if getattr(step, "focus", None) or getattr(step, "index", None):
            self.mistakes.append(f"{TUPLES} is not taken here")
        for stage in getattr(step, "stages", None) or ():
            if stage.type == "filter":
                self._visit(stage.expr, shape, scope)
            else:
                self.mistakes.append(f"{TUPLES} is not taken here")
        return shape

    def _read(self, name: str, following: list[Any]) -> Shape:
        """Note what is read of an input or a step."""
        try:
            shape = field_of(self.root, name, "the pipeline")
        except NoSuchField as mistake:
            self.mistakes.append(str(mistake))
            return ANY
        if following and following[0].type == "name":
            self.parts.add((name, str(following[0].value)))
        else:
            self.whole.add(name)
        return shape

    def _visit_group(self, group: Any, shape: Shape, scope: Scope) -> Shape:
        for each in pairs(group.lhs_object):
            for node in each:
                self._visit(node, shape, scope)
        return ANY

    def _visit_unary(self, node: Any, context: Any, scope: Scope) -> Shape:
        if node.value == "[":
            found = [self._visit(each, context, scope) for each in node.expressions]
            shape = found[0] if found else ANY
            for other in found[1:]:
                shape = merge(shape, other)
            return shape
        if node.value != "{":
            self._visit(node.expression, context, scope)
            return SCALAR
        fields: dict[str, Shape] = {}
        known = True
        for key, value in pairs(node.lhs_object):
            shape = self._visit(value, context, scope)
            known = known and key.type == "string"
            self._visit(key, context, scope)
            fields[str(key.value)] = shape
        return fields if known and fields else ANY

    def _visit_binary(self, node: Any, context: Any, scope: Scope) -> Shape:
        self._visit(node.lhs, context, scope)
        self._visit(node.rhs, context, scope)
        return SCALAR

    def _visit_apply(self, node: Any, context: Any, scope: Scope) -> Shape:
        self._visit(node.lhs, context, scope)
        self._visit_procedure(node.rhs, context, scope)
        return ANY

    def _visit_condition(self, node: Any, context: Any, scope: Scope) -> Shape:
        self._visit(node.condition, context, scope)
        then = self._visit(node.then, context, scope)
        if getattr(node, "_else", None) is None:
            return then
        return merge(then, self._visit(node._else, context, scope))

    def _visit_block(self, node: Any, context: Any, scope: Scope) -> Shape:
        inner, shape = dict(scope), ANY
        for each in node.expressions:
            shape = self._visit_bind(each, context, inner)
        return shape

    def _visit_bind(self, node: Any, context: Any, scope: Scope) -> Shape:
        """Walk an expression of a block, which may name a value for those after it."""
        if node.type != "bind":
            return self._visit(node, context, scope)
        inner = scope if isinstance(scope, dict) else {}
        # A function may call itself.
        inner.setdefault(str(node.lhs.value), ANY)
        shape = self._visit_bind(node.rhs, context, inner)
        inner[str(node.lhs.value)] = shape
        return shape

    def _visit_lambda(self, node: Any, context: Any, scope: Scope) -> Shape:
        named = {str(each.value): ANY for each in node.arguments}
        self._visit(node.body, context, {**scope, **named})
        return ANY

    def _visit_function(self, node: Any, context: Any, scope: Scope) -> Shape:
        self._visit_procedure(node.procedure, context, scope)
        for each in node.arguments:
            self._visit(each, context, scope)
        return ANY

    def _visit_procedure(self, node: Any, context: Any, scope: Scope) -> None:
        """Walk what is called: a function by its name, or what gives one."""
        if node.type == "variable" and str(node.value) not in scope:
            if str(node.value) not in FUNCTIONS:
                self.mistakes.append(f"there is no function ${node.value} here")
            return
        self._visit(node, context, scope)

    def _visit_variable(self, node: Any, context: Any, scope: Scope) -> Shape:
        name = str(node.value)
        if name == ROOT or (name == CONTEXT and context is AT_ROOT):
            self.mistakes.append("'$' and '$$' alone stand for everything: name what is read")
            return ANY
        if name == CONTEXT:
            return context  # type: ignore[no-any-return]
        if name not in scope and name not in FUNCTIONS:
            self.mistakes.append(f"there is no variable ${name} here")
        return scope.get(name, ANY)


AT_ROOT = object()
"""Stands for the shape of everything: inputs and steps, by name."""
Visit = Callable[[Reading, Any, Any, Scope], Shape]
VISITS: Mapping[str, Visit] = {
    "path": Reading._visit_path,
    "name": Reading._step,
    "unary": Reading._visit_unary,
    "binary": Reading._visit_binary,
    "apply": Reading._visit_apply,
    "condition": Reading._visit_condition,
    "block": Reading._visit_block,
    "bind": Reading._visit_bind,
    "lambda": Reading._visit_lambda,
    "function": Reading._visit_function,
    "variable": Reading._visit_variable,
}
"""How each kind of node is walked; others are literals."""


def pairs(nodes: Any) -> Iterator[Any]:
    """Yield the keys of an object with their values, as this or another version lists them."""
    listed = list(nodes)
    if listed and isinstance(listed[0], list | tuple):
        yield from listed
    else:
        yield from zip(listed[::2], listed[1::2], strict=True)


def is_variable(node: Any, name: str) -> bool:
    """Return whether a node is the variable of this name."""
    return str(node.type) == "variable" and str(node.value) == name
