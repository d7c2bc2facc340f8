"""Docstrings of the public modules: one parameter per line, and examples that run."""

import doctest
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import luxel

MODULES = ["luxel", *re.findall(r"^(luxel\.[\w.]+)  ", luxel.__doc__ or "", re.MULTILINE)]
NEEDS = {"luxel.model": ("torch", "torchmetrics"), "luxel.dataset": ("cv2", "skimage")}
"""Packages of extras that a module needs, by the beginning of its name."""

each_module = pytest.mark.parametrize("name", MODULES)


def imported(name: str) -> Any:
    """A public module; skips where the extra it needs is not installed."""
    for start, packages in NEEDS.items():
        for package in packages if name.startswith(start) else ():
            pytest.importorskip(package, reason=f"{name} needs an extra of luxel")
    return importlib.import_module(name)


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Functions and classes that a module offers: those of __all__, else those it defines."""
    listed = getattr(module, "__all__", None)
    for name in listed or vars(module):
        thing = getattr(module, name)
        if name.startswith("_") or not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        if listed or thing.__module__ == module.__name__:
            yield name, thing


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods that a class defines itself."""
    for name, member in vars(cls).items():
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(member)):
            yield f"{cls.__name__}.{name}", inspect.unwrap(member)


def parameters(thing: Any) -> list[str]:
    """Names of the parameters; for a class, those of its constructor."""
    if inspect.isclass(thing) and (issubclass(thing, Enum) or thing.__init__ in (object.__init__, Exception.__init__)):
        return []
    return [name for name in inspect.signature(thing).parameters if name != "self"]


def faults(name: str, thing: Any, *, example: bool) -> Iterator[str]:
    """What the docstring of a function or class lacks."""
    text = inspect.getdoc(thing) or ""
    if not text.partition("\n")[0].endswith((".", ":")):
        yield f"{name}: its first line is not a sentence"
    stated = {
        word
        for line in re.findall(r"^([a-z_]\w*(?:, [a-z_]\w*)*): \S", text, re.MULTILINE)
        for word in line.split(", ")
    }
    crowded = re.search(r"\. ([a-z_]\w*(?:, [a-z_]\w*)*): \S", text)
    if crowded and set(crowded[1].split(", ")) & set(parameters(thing)):
        yield f"{name}: {crowded[1]} does not begin a line"
    yield from (f"{name}: no line for {parameter}" for parameter in parameters(thing) if parameter not in stated)
    if example and ">>>" not in text:
        yield f"{name}: no example"


@each_module
def test_every_parameter_has_its_line_and_every_function_an_example(name: str) -> None:
    """Dataclasses and errors need no example: they are results, or made by functions that have one."""
    found: list[str] = []
    for thing_name, thing in public(imported(name)):
        plain = inspect.isclass(thing) and (is_dataclass(thing) or issubclass(thing, Exception))
        found += faults(thing_name, thing, example=not plain or thing_name in ("Assessment", "Scorer"))
        for method_name, method in methods(thing) if inspect.isclass(thing) else ():
            found += faults(method_name, method, example=False)
    assert not found, "\n" + "\n".join(found)


@each_module
def test_examples_run(name: str) -> None:
    runner, log = doctest.DocTestRunner(verbose=False), list[str]()
    for thing_name, thing in public(imported(name)):
        home = vars(sys.modules[thing.__module__])  # where its other names come from
        for test in doctest.DocTestFinder().find(thing, thing_name, globs=dict(home)):
            runner.run(test, out=log.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(log)


def test_faults_are_found() -> None:
    def crowded(a: int, b: int) -> int:
        """The sum.

        a: the first. b: the second.
        """
        return a + b

    assert list(faults("crowded", crowded, example=True)) == [
        "crowded: b does not begin a line",
        "crowded: no line for b",
        "crowded: no example",
    ]


def test_every_public_module_has_a_page() -> None:
    pages = Path(__file__).parent.parent.glob("docs/reference/*.md")
    shown = {name for page in pages for name in re.findall(r"^::: (luxel\.[\w.]+)$", page.read_text(), re.MULTILINE)}
    assert set(MODULES[1:]) <= shown
