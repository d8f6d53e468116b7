"""What can go wrong, sorted by what the caller does next. No message holds a byte of a credential."""


class RekeyClientError(Exception):
    """Anything that the kit raises."""


class Unreadable(RekeyClientError):
    """Content is not there or not what it should be; what was good before stays in use."""


class NoCredential(RekeyClientError):
    """There is nothing to send: the bundle was never readable. Check the mount, then try again."""


class Insecure(RekeyClientError, ValueError):
    """The address would show the credential to everyone on the way. Use https."""


class CircuitOpen(RekeyClientError):
    """The service refused this version again and again: nothing is sent until it may have changed its mind."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"not sent: the service refused this credential several times; next try in {seconds:.0f} s, "
            "or as soon as the bundle has another version"
        )
        self.seconds = seconds
