"""A key for one write that cannot be printed, and that is overwritten when its `with` ends.

1. `reveal()` is the one exit; its callers are a fixed list in tests/test_layout.py, as a Material's.
2. What can be overwritten is: these 32 bytes. Copies that libraries make for a moment are freed by them.
3. It is good for one use: when that has ended, it does not turn into a key of zeros, it refuses.
"""

from secrets import token_bytes
from typing import Final, Never, Self, SupportsIndex, final

LENGTH: Final = 32


@final
class DataKey:
    """The key of one sealed value."""

    __slots__ = ("__bytes",)

    def __init__(self, value: bytearray) -> None:
        """Take the bytes over: the caller keeps no other reference to them."""
        if len(value) != LENGTH:
            raise ValueError(f"a data key has {LENGTH} bytes, not {len(value)}")
        self.__bytes = value

    @classmethod
    def fresh(cls) -> Self:
        """Return a new one."""
        return cls(bytearray(token_bytes(LENGTH)))

    def reveal(self) -> bytearray:
        """Return the bytes themselves, not a copy, to lock or unlock something with them.

        Raises:
            ValueError: they are overwritten already.
        """
        if not any(self.__bytes):
            raise ValueError("a data key is used once, and this one was")
        return self.__bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.overwrite()

    def overwrite(self) -> None:
        """End its use."""
        self.__bytes[:] = bytes(LENGTH)

    def __repr__(self) -> str:
        return "DataKey()"

    __hash__ = None  # type: ignore[assignment]  # a hash of the key is a hint to the key

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        raise TypeError("a data key cannot be pickled or copied: it would outlive its use")
