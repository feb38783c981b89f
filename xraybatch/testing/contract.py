"""What every suite has: its record, work that is done once, and the checks of any plugin."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, TypeVar, overload
from unittest import SkipTest

from xraybatch.core.errors import PluginError, XraybatchError
from xraybatch.extension.hookspecs import HOOKS
from xraybatch.extension.records import Option
from xraybatch.extension.registry import GROUP, Owned, registry
from xraybatch.testing.fresh_import import LIMIT, import_cost

T = TypeVar("T")

# what a plugin may throw at a suite; a person's interruption is no failure of the plugin
THROWN = (Exception, SystemExit)


class Broken(AssertionError):
    """A promise that the plugin does not keep; its text is the sentence that is shown."""


def sentence(error: BaseException) -> str:
    """One line that says what was raised: ``Type: first line``, or our own words alone."""
    text = error.message if isinstance(error, XraybatchError) else str(error)
    line = next(iter(text.strip().splitlines()), "")[:300]
    if isinstance(error, Broken | SkipTest | XraybatchError) and line:
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


class Shared(Generic[T]):
    """Work of a suite that is done once, at first use, and whose result all its checks share.

    Where it fails, the check that asked first fails with the error itself, and every later one is
    skipped with its sentence. Results live with the class: pytest makes an instance for each check.
    """

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self.__doc__ = work.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, contract: None, owner: type) -> Shared[T]: ...
    @overload
    def __get__(self, contract: Contract, owner: type) -> T: ...
    def __get__(self, contract: Contract | None, owner: type) -> Shared[T] | T:
        if contract is None:
            return self
        results, failures = owner._results, owner._failures  # type: ignore[attr-defined]
        if self._name in failures:
            raise SkipTest(failures[self._name])
        if self._name not in results:
            try:
                results[self._name] = self._work(contract)
            except SkipTest as reason:
                failures[self._name] = str(reason)
                raise
            except THROWN as error:
                failures[self._name] = f"not tried, because: {sentence(error)}"
                raise
        found: T = results[self._name]
        return found


class Contract:
    """Base of the suites; its methods ``test_*`` are the checks, in their order.

    Attributes
    ----------
    kind : str
        Kind of the records that the suite is for.
    name : str
        Name of the record under test.
    owner : str
        ``distribution:entry_point``, where two plugins claim the name.
    figure : str
        What a check that passed has measured, for the listing.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    owner: ClassVar[str] = ""
    figure: str = ""

    # modules that every command which needs such a record has loaded anyway
    already_loaded: ClassVar[tuple[str, ...]] = ()
    allowed_name: ClassVar[str] = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"

    _results: ClassVar[dict[str, Any]] = {}
    _failures: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._results, cls._failures = {}, {}

    @classmethod
    def teardown_class(cls) -> None:
        """Let go of everything that was made; pytest calls this, and so does `run_checks`."""
        temporary = cls._results.get("_temporary")
        cls._results, cls._failures = {}, {}
        if temporary is not None:
            temporary.cleanup()

    def find(self) -> Owned[Any]:
        """The record under test and its owner; override it to test one that is not installed."""
        if not self.name:
            raise Broken(f"{type(self).__name__} does not say which {self.kind} it is for: `name`.")
        record = HOOKS[self.kind][1]
        if not self.owner:
            found: Owned[Any] = registry().get(record, self.name)
            return found
        for owned in registry().records(record):
            if (owned.owner, owned.record.name) == (self.owner, self.name):
                return owned
        raise PluginError(f"'{self.owner}' registers no {self.kind} called '{self.name}'.")

    @Shared
    def owned(self) -> Owned[Any]:
        """The record under test and its owner."""
        return self.find()

    @property
    def folder(self) -> Path:
        """A folder of the suite's own, removed after it."""
        return Path(self._temporary.name)

    @Shared
    def _temporary(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="xraybatch-contract-")

    def test_imports_in_milliseconds(self) -> None:
        """The plugin's module is imported, and its hooks called, in under 50 ms without Keras."""
        cost = import_cost(self._plugin(), self.already_loaded)
        self.figure = f"{cost.busy * 1000:.0f} ms of CPU"
        if cost.heavy:
            raise Broken(
                f"Importing it loads {', '.join(cost.heavy)}: import them inside the functions."
            )
        if cost.busy >= LIMIT:
            raise Broken(
                f"Importing it takes {cost.busy * 1000:.0f} ms of CPU, {LIMIT * 1000:.0f} or more: "
                "import what is heavy inside the functions."
            )
        if cost.passed >= 10 * LIMIT:
            raise Broken(
                f"Importing it takes {cost.passed:.1f} s, and most of that it waits for something."
            )

    def test_record_is_well_formed(self) -> None:
        """The record has a name of the allowed form, a summary of one line, functions to call."""
        record = self.owned.record
        if not re.fullmatch(self.allowed_name, record.name):
            raise Broken(f"The name '{record.name}' is not of the form {self.allowed_name}.")
        if not record.summary.strip() or not record.summary.isprintable():
            raise Broken(f"The summary is {record.summary!r}, not one line of text.")
        self.check_record(record)

    def check_record(self, record: Any) -> None:
        """What a record of this kind holds beside name and summary; raises `Broken`."""

    def _plugin(self) -> str:
        """What the entry point names; the module of the record's functions where there is none."""
        distribution, _, name = self.owned.owner.partition(":")
        for entry in entry_points(group=GROUP, name=name):
            if entry.dist is not None and entry.dist.name == distribution:
                return entry.value
        functions = (value for value in vars(self.owned.record).values() if callable(value))
        return str(next(functions).__module__)


def check_callable(record: Any, *names: str) -> None:
    """Raise `Broken` unless these fields of a record can be called."""
    for name in names:
        if not callable(getattr(record, name)):
            raise Broken(f"`{name}` is {getattr(record, name)!r}, which cannot be called.")


def check_options(options: tuple[Option, ...]) -> None:
    """Raise `Broken` unless options are well-formed: types, defaults of their type, choices."""
    names = [option.name for option in options]
    if len(set(names)) != len(names):
        raise Broken(f"Two options have the same name: {', '.join(names)}.")
    for option in options:
        if option.type not in (bool, int, float, str):
            raise Broken(f"The option '{option.name}' has the type {option.type!r}.")
        if type(option.default) is not option.type:
            raise Broken(
                f"The default of '{option.name}' is {option.default!r}, "
                f"which is no {option.type.__name__}."
            )
        if option.choices and str(option.default) not in option.choices:
            raise Broken(f"The default of '{option.name}' is none of its choices.")
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", option.name) or not option.help:
            raise Broken(f"The option '{option.name}' needs a lower-case name and a help text.")
