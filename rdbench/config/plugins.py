"""Plug-ins: parts from installed packages, and from files named on the command line.

Nothing else brings code: no sweep file, setting, table or plan. Code is loaded by name only here, in ``_import`` and
``_execute``.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from rdbench.config.parts import PLUGIN_KINDS, Kind, Origin, Part, find, names, register, registered_parts
from rdbench.config.plugin_rules import check_part
from rdbench.errors import UserError, named

FILE_MODULES = "rdbench_plugin_"
"""The module of a plug-in file is called this and the beginning of the file's digest."""


def load_plugins(paths: Iterable[str | Path]) -> None:
    """Run plug-in files and register the parts in the ``PARTS`` of each.

    Raises:
        UserError: a file cannot be read, fails, or lists no parts.
    """
    for path in paths:
        _load_file(Path(path).expanduser())


def _load_file(path: Path) -> None:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"--plugin {path}: {error.strerror}; expected a Python file that lists PARTS") from None
    digest = hashlib.sha256(source).hexdigest()
    module = _execute(path, FILE_MODULES + digest[:16])
    parts = getattr(module, "PARTS", None)
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(part, Part) for part in parts):
        raise UserError(f"--plugin {path}: found no list PARTS of rdbench.Part; add PARTS = [Part(…)]")
    for part in parts:
        if part.kind not in PLUGIN_KINDS:
            raise UserError(f"--plugin {path}: found the kind {part.kind!r}; expected one of {', '.join(PLUGIN_KINDS)}")
        target = part.target if ":" in part.target else f"{module.__name__}:{part.target}"
        told = part.help or _first_line(getattr(module, part.target, None))
        _register(replace(part, target=target, help=told, origin=Origin(str(path), "", digest, str(path))))


def _first_line(found: Any) -> str:
    """The first line of the docstring of a class or function; empty if there is none."""
    return (getattr(found, "__doc__", None) or "").partition("\n")[0]


def _execute(path: Path, name: str) -> ModuleType:
    """Run a file as a module of that name, once in a process."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"--plugin {path}: not a Python file; expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"--plugin {path} cannot be run: {named(error)}") from error
    return module


def make(kind: Kind, name: str) -> Any:
    """The class or function that makes the part of that name.

    Raises:
        UserError: no part has that name, or its target cannot be loaded.
    """
    part = find(kind, name)
    return _import(part.target, f"{kind} {name}")


def _import(target: str, what: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        if module.startswith("rdbench."):
            raise
        raise UserError(f"{what}: cannot load {target}: {named(error)}; mend the plug-in or its entry point") from None


@cache
def _entry_points() -> dict[tuple[str, str], EntryPoint]:
    return {(kind, point.name): point for kind in PLUGIN_KINDS for point in entry_points(group=f"rdbench.{kind}s")}


def installed_names(kind: Kind) -> list[str]:
    """The names of the parts of a kind that installed packages declare; imports nothing."""
    return [name for of, name in _entry_points() if of == kind]


def load_installed(kind: Kind, name: str) -> None:
    """Register the part of that name if an installed package declares one.

    The entry point names a ``Part``, or a class. A class may have the attributes ``latent``, ``settings`` and
    ``takes``, which mean what they mean in a ``Part``.

    Raises:
        UserError: the package cannot be imported.
    """
    point = _entry_points().get((kind, name))
    if point is None:
        return
    found = _import(f"{point.module}:{point.attr}", f"{kind} {name}")
    if isinstance(found, Part):
        part = replace(found, kind=kind, name=name)
    else:
        told = {key: getattr(found, key) for key in ("latent", "settings", "takes") if hasattr(found, key)}
        part = Part(kind, name, f"{point.module}:{point.attr}", _first_line(found), **told)
    distribution = point.dist
    version = distribution.version if distribution else ""
    where = distribution.name if distribution else point.module
    path = package_path(part.target.partition(":")[0])
    _register(replace(part, origin=Origin(where, version, package_digest(path), str(path))))


def _register(part: Part) -> None:
    check_part(part)
    register(part)


def package_path(module: str) -> Path:
    """The folder of a module's package, or the file of a module that lies in none.

    Raises:
        UserError: it has no source files.
    """
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        raise UserError(f"found no source files of {module}, whose digest a run needs; install it as files")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


@cache
def package_digest(path: Path) -> str:
    """The SHA-256 of the names and contents of a package's Python files, or of a module that is one file."""
    folder = path if path.is_dir() else path.parent
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        digest.update(f"{file.relative_to(folder)}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def foreign() -> list[Part]:
    """Every plug-in part, from loaded files and installed packages."""
    return [part for kind in PLUGIN_KINDS for name in names(kind) if (part := find(kind, name)).origin]


def plugin_files() -> tuple[str, ...]:
    """The plug-in files that were loaded, for another process to load."""
    origins = [part.origin for part in registered_parts() if part.origin and not part.origin.version]
    return tuple(dict.fromkeys(str(Path(origin.where).absolute()) for origin in origins))
