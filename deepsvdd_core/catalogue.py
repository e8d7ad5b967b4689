"""Read the names in a table of methods from its source, for a process that must not load torch."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def names(module: str, table: str) -> dict[str, str]:
    """The keys of a table and the first line of what its entry says of itself.

    `names("objectives", "OBJECTIVES")` reads `OBJECTIVES = {"one-class": OneClass, ...}` without
    importing the module. So a menu follows a table by itself.

    Raises:
        KeyError: the module has no such table.
    """
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    summaries = {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == table:
            keys, values = node.value.keys, node.value.values
            return {key.value: summaries[value.id] for key, value in zip(keys, values, strict=True)}
    raise KeyError(f"{module} has no table {table}")
