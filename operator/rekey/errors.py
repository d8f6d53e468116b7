"""Every error, sorted by what the caller does next.

1. The class says what to do; the message says, to a person, what happened.
2. No message carries a secret value: adapters put names, codes and reasons in, never bodies.
3. An adapter turns its library's errors into these, always `from error`.
"""


class RekeyError(Exception):
    """Whatever Rekey itself raises."""


class Retryable(RekeyError):
    """Wait, then do the same again: the other side was away, slow or busy."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the other side asked for, where it did."""


class NoAnswer(Retryable):
    """Wait: it is not known whether the request arrived."""


class NotYet(Retryable):
    """Wait: the other side is well, and what was asked of it has not come about yet."""


class Conflict(RekeyError):
    """Look again, then decide anew: somebody wrote in between."""


class NotFound(RekeyError):
    """Decide anew with the fact that it does not exist; for a removal that is success."""


class Taken(RekeyError):
    """Leave it alone and take another name: what carries this one is not ours."""


class NotLeading(RekeyError):
    """Stop without a word: another process acts now, or nobody; whoever leads next looks at it anew."""


class NamespaceTerminating(RekeyError):
    """Create nothing more here: the namespace is being deleted."""


class Rejected(RekeyError):
    """Stop until a person acts: the same again would be refused again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """One CamelCase word, the reason of the condition that will say it."""


class ConsentRefused(Rejected):
    """Stop until a person consents anew: the backend is well, and so is what we log in there with."""


class BackendAway(RekeyError):
    """Say so, and try again later: where credentials live does not answer, or does not answer this."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the other side asked for, where it did."""


class KeysAway(BackendAway):
    """Say so, and try again later: nothing can be sealed or opened now, so nothing that needs it is begun."""


class NotAccepted(RekeyError):
    """Discard the version and make another: the other side was shown it and refused it."""


class Forbidden(RekeyError):
    """Stop until somebody grants the right that is missing, or what an administrator put there (`by`) lets it pass."""

    def __init__(self, verb: str, resource: str, namespace: str | None = None, *, by: str = "") -> None:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        refused = f": refused by {by}" if by else ""
        super().__init__(f"not allowed to {verb} {resource} {where}{refused}")
        self.verb = verb
        self.resource = resource
        self.namespace = namespace
