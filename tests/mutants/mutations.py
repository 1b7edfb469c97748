"""Small changes of Python source, one at a time: the operators of mutation testing.

Only what decides about a file is changed. Left alone are annotations, docstrings, imports, and the words that a
refusal is explained by: f-strings, and whatever stands in a `raise`.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field

__all__ = ["Mutation", "mutations"]

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
FUNCTIONS = {"min": "max", "max": "min", "all": "any", "any": "all", "sorted": "list", "reversed": "list"}
REMOVED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.If, ast.For, ast.Continue, ast.Break)


@dataclass(frozen=True)
class Mutation:
    """One change. `number` tells apart equal changes of equal code in one function."""

    file: str
    function: str
    operator: str
    change: str
    number: int
    line: int
    path: tuple = field(repr=False)
    node: ast.AST = field(repr=False)

    @property
    def key(self):
        """What it is called in the table of survivors: lines move, this stays."""
        return self.file, self.function, self.operator, self.change, self.number

    def apply(self, text):
        """The changed module, compiled, from the source that the mutation was found in."""
        tree = ast.parse(text)
        _put(tree, self.path, self.node)
        return compile(ast.fix_missing_locations(tree), self.file, "exec", dont_inherit=True)


def _constants(node):
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        if node.value:
            yield ast.Constant(node.value - 1)


def _compare(node):
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS.get(type(operator), ()):
            changed = copy.deepcopy(node)
            changed.ops[place] = other()
            yield changed


def _arithmetic(node):
    other = ARITHMETIC.get(type(node.op))
    if other:
        changed = copy.deepcopy(node)
        changed.op = other()
        yield changed


def _augmented(node):
    yield from _arithmetic(node)


def _boolean(node):
    changed = copy.deepcopy(node)
    changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield changed
    yield from (copy.deepcopy(value) for value in node.values)


def _unary(node):
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield copy.deepcopy(node.operand)


def _choice(node):
    yield copy.deepcopy(node.body)
    yield copy.deepcopy(node.orelse)


def _slice(node):
    if node.lower is not None:
        yield ast.Slice(None, copy.deepcopy(node.upper), copy.deepcopy(node.step))
    if node.upper is not None:
        yield ast.Slice(copy.deepcopy(node.lower), None, copy.deepcopy(node.step))
    if node.step is not None:
        yield ast.Slice(copy.deepcopy(node.lower), copy.deepcopy(node.upper), None)


def _call(node):
    if isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        changed = copy.deepcopy(node)
        changed.func = ast.Name(FUNCTIONS[node.func.id], ast.Load())
        yield changed


def _return(node):
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield ast.Return(ast.Constant(None))


def _condition(node):
    """An `if` or `while` taken the other way; comparisons and negations have operators of their own."""
    if not isinstance(node.test, (ast.Compare, ast.UnaryOp, ast.Constant)):
        changed = copy.deepcopy(node)
        changed.test = ast.UnaryOp(ast.Not(), changed.test)
        yield changed


def _filter(node):
    if node.ifs:
        changed = copy.deepcopy(node)
        changed.ifs = []
        yield changed


def _handler(node):
    for place in range(len(node.type.elts)) if isinstance(node.type, ast.Tuple) else ():
        changed = copy.deepcopy(node)
        del changed.type.elts[place]
        yield changed


def _removal(node):
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    yield ast.Pass()


OPERATORS = (
    ("constant", ast.Constant, _constants),
    ("comparison", ast.Compare, _compare),
    ("arithmetic", ast.BinOp, _arithmetic),
    ("arithmetic", ast.AugAssign, _augmented),
    ("boolean", ast.BoolOp, _boolean),
    ("sign or not", ast.UnaryOp, _unary),
    ("one branch", ast.IfExp, _choice),
    ("slice", ast.Slice, _slice),
    ("function", ast.Call, _call),
    ("return None", ast.Return, _return),
    ("condition", (ast.If, ast.While), _condition),
    ("filter", ast.comprehension, _filter),
    ("exception", ast.ExceptHandler, _handler),
    ("statement", REMOVED, _removal),
)


def _left_alone(node):
    return (
        isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom))
        or (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        or (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__all__"
        )
    )


def _children(node):
    """The children that may be changed, each as (field, index or None, child)."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"} or isinstance(node, ast.Raise):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(child, ast.AST) and not _left_alone(child):
                yield name, index, child


def _sites(node, path=(), function=""):
    """Every node that may be changed, with the way to it and the function around it."""
    for name, index, child in _children(node):
        here = (*path, (name, index))
        inside = function
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            inside = f"{function}.{child.name}" if function else child.name
        yield child, here, inside
        yield from _sites(child, here, inside)


def _put(tree, path, changed):
    *way, (name, index) = path
    node = tree
    for step, number in way:
        node = getattr(node, step) if number is None else getattr(node, step)[number]
    if index is None:
        setattr(node, name, changed)
    else:
        getattr(node, name)[index] = changed


def _shown(node):
    """A node's first line, or a filter's, a handler's or a slice's own words."""
    if isinstance(node, ast.comprehension):
        return ast.unparse(ast.GeneratorExp(ast.Name("_"), [node]))
    text = ast.unparse(node)
    return text.splitlines()[0] if text else "pass"


def mutations(file, text):
    """Every mutation of a module's source, in the order of the source."""
    tree, seen = ast.parse(text), {}
    for node, path, function in _sites(tree):
        for operator, kinds, change in OPERATORS:
            for changed in change(node) if isinstance(node, kinds) else ():
                words = f"{_shown(node)} -> {_shown(changed)}"
                number = seen[function, operator, words] = seen.get((function, operator, words), 0) + 1
                line = getattr(node, "lineno", 0)
                yield Mutation(file, function, operator, words, number, line, path, changed)
