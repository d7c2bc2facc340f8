"""A name means one thing in the whole package: class and type names are unique, and imports seldom rename."""

import ast
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "luxel"
MODULES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
CUSTOMARY = {("numpy", "np"), ("numpy.typing", "npt"), ("torch.nn.functional", "F")}
MAX_RENAMED = 6


def type_names(module: ast.Module) -> set[str]:
    """Public classes and type aliases of a module, known by their capital letter."""
    found = {node.name for node in module.body if isinstance(node, ast.ClassDef)}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name[0].isupper() and not name.isupper():
                found.add(name)
    return {name for name in found if not name.startswith("_")}


def test_a_type_name_is_defined_once() -> None:
    homes = defaultdict(list)
    for path, module in MODULES.items():
        for name in type_names(module):
            homes[name].append(path)
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_imports_seldom_rename() -> None:
    renamed = []
    for path, module in MODULES.items():
        for node in ast.walk(module):
            if isinstance(node, ast.Import | ast.ImportFrom):
                start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for name in node.names:
                    if name.asname not in (None, name.name) and (start + name.name, name.asname) not in CUSTOMARY:
                        renamed.append(f"{path}: {start}{name.name} as {name.asname}")
    assert len(renamed) <= MAX_RENAMED, renamed


def test_classes_and_aliases_are_found() -> None:
    module = ast.parse("class Row: ...\nCell = int | str\nMAX = 3\nT = 1\n_Own = int\nvalue = 2\n")
    assert type_names(module) == {"Row", "Cell"}
