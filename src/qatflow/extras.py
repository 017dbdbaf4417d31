"""Which extra brings a package that is not installed, as the metadata of the installed qatflow say."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, requires

from qatflow.errors import MissingExtraError

PACKAGES = {"OpenSSL": "pyopenssl", "PIL": "pillow", "sklearn": "scikit-learn"}
"""Module -> package, where their names differ; no metadata of a package that is not there tell it."""
_NAME, _EXTRA = re.compile(r"[\w.-]+"), re.compile(r"extra == ['\"]([\w-]+)['\"]")


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn the failed import of a package that an extra brings into a sentence; also a decorator of functions.

    Args:
        what: What needs the package, as the sentence begins: a command, a function, a deed. An extra that is called as
            one of its words comes first: who quantizes wants all that it needs, not only the package met first.

    Raises:
        MissingExtraError: In place of ModuleNotFoundError. That of any other module goes on as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = package_of(error.name or "")
        extra = extra_of(package, what)
        if extra is None:
            raise
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed: pip install 'qatflow[{extra}]'"
        ) from None


def package_of(module: str) -> str:
    """Return the package that a module at the top comes from; a submodule's package is there, so it has no other."""
    return PACKAGES.get(module, module.replace("_", "-").lower())


def extra_of(package: str, what: str = "") -> str | None:
    """Return the extra that brings a package: one in the words of `what`, else the smallest.

    None if none does, or qatflow itself is not installed.
    """
    brought: dict[str, set[str]] = defaultdict(set)
    for requirement in _requirements():
        name = _NAME.match(requirement)
        for extra in _EXTRA.findall(requirement):
            brought[extra].add(package_of(name[0]) if name else "")
    holding = [extra for extra, packages in brought.items() if package in packages]
    words = re.findall(r"[a-z]+", what)
    return min(holding, key=lambda extra: (extra not in words, len(brought[extra]), extra), default=None)


def _requirements() -> list[str]:
    try:
        return requires("qatflow") or []
    except PackageNotFoundError:
        return []
