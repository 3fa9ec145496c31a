"""The checks stand on the documents alone: only the module that starts the server knows the product."""

import ast
from pathlib import Path

import pytest

MODULES = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name != "conftest.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_caller_knows_nothing_of_the_product(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in imported if module.split(".")[0] == "ringoff"]
    assert not [name for name in imported if name.startswith("tests") and not name.startswith("tests.contract.facts.")]
