"""Secret bytes that cannot be printed: the values of one version, by key.

1. `reveal()` is the one exit, and its callers are a fixed list in tests/test_layout.py.
2. Whatever else turns objects into text (str, format, logging, tracebacks) sees only names of keys.
3. Whatever turns objects into data (pickle, JSON) is refused; a copy is the same object, as it cannot change.
4. Comparing takes the same time wherever the first difference is, and there is no hash to leak.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from types import MappingProxyType
from typing import Never, SupportsIndex, final


@final
class Material:
    """One version's values, sealed."""

    __slots__ = ("__values",)

    __values: Mapping[str, bytes]

    def __init__(self, values: Mapping[str, bytes]) -> None:
        for key, value in values.items():
            if not isinstance(value, bytes):
                raise TypeError(f"the value of {key!r} must be bytes, not {type(value).__name__}")
        object.__setattr__(self, "_Material__values", MappingProxyType(dict(values)))

    def keys(self) -> tuple[str, ...]:
        """Return the names of the keys, sorted; they are no secret."""
        return tuple(sorted(self.__values))

    def reveal(self) -> Mapping[str, bytes]:
        """Return the values themselves, for the one purpose of sending them where they belong."""
        return self.__values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Material):
            return NotImplemented
        if self.keys() != other.keys():
            return False
        same = True
        for key, value in self.__values.items():
            same &= compare_digest(value, other.__values[key])
        return same

    __hash__ = None  # type: ignore[assignment]  # a hash of the value is a hint to the value

    def __repr__(self) -> str:
        return f"Material(<{', '.join(self.keys())}>)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> "Material":
        return self

    def __deepcopy__(self, memo: object) -> "Material":
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Material never changes")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Material never changes")

    def __getstate__(self) -> Never:
        raise TypeError("a Material cannot be pickled: it would leave the process")

    def __reduce__(self) -> Never:
        raise TypeError("a Material cannot be pickled: it would leave the process")

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a Material cannot be pickled: it would leave the process")


@dataclass(frozen=True, slots=True)
class Issued:
    """A new version's values, and what may be told of it: nothing public helps to guess a value."""

    material: Material
    public: Mapping[str, str]
