"""A value that does not print: whatever turns it into text or data shows nothing of it."""

from hmac import compare_digest
from typing import Never, SupportsIndex, final


@final
class Secret:
    """Text that leaves by `reveal()` only."""

    __slots__ = ("__value",)

    __value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """Return the text itself, for the one purpose of sending it where it belongs."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self.__value.encode(), other.__value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash of the value is a hint to the value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Secret never changes")

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a Secret cannot be pickled or copied: it would leave the process")
