"""The requests as last seen: what they ask of whom, and who has something to do when one of them changes."""

from dataclasses import replace
from typing import Any

from rekey.app.book import Book
from rekey.core.answer import AnswerState
from rekey.core.facts import Credential, Key
from rekey.core.request import Request, RequestStatus, Result
from rekey.core.status import Status
from tests.core.situations import NOON, facts
from tests.core.test_request import request as plain

API, DB = Key("orders", "api"), Key("orders", "db")


def request(name: str, version: int, **states: str) -> Request:
    """Return a request whose status names these credentials, each in that state."""
    results = tuple(Result(name=about, uid=f"uid-{about}", state=AnswerState(state)) for about, state in states.items())
    over = bool(states) and not {"Pending", "Running"} & set(states.values())
    status = RequestStatus(results=results, completion_time=NOON if over else None)
    key = Key("orders", name)
    return replace(plain(status), key=key, uid=f"uid-{name}", resource_version=str(version))


def credential(name: str = "api") -> Credential:
    """Return a credential."""
    return replace(facts(Status()).credential, key=Key("orders", name), uid=f"uid-{name}")


def book(*requests: Request, complete: bool = True) -> Book:
    """Return a book that holds these."""
    found = Book()
    found.complete = complete
    for one in requests:
        found.put(one)
    return found


def asked(found: Book, name: str = "api") -> Any:
    """Return the names of the requests that ask something of a credential."""
    demands = found.of(credential(name))
    return None if demands is None else [demand.name for demand in demands]


def test_who_is_asked() -> None:
    """Those whom a request's status names, by uid, once everything is known; the oldest request first."""
    late = replace(request("late", 3, api="Pending"), created=NOON.replace(hour=13))
    held = book(late, request("b", 2, api="Pending"), request("a", 1, api="Running", db="Pending"), request("new", 4))
    assert asked(held) == ["a", "b", "late"]
    assert asked(held, "db") == ["a"]
    assert asked(held, "other") == []
    assert held.of(replace(credential(), uid="another")) == ()
    assert asked(book(late, complete=False)) is None


def test_only_what_is_newer_counts() -> None:
    """Events come late and twice."""
    held = book(request("a", 5, api="Running"))
    assert held.put(request("a", 5, api="Pending")) == ()
    assert held.put(request("a", 4)) == ()
    assert asked(held) == ["a"]
    assert held.remove(Key("orders", "a"), 4) == ()
    assert asked(held) == ["a"]
    assert held.remove(Key("orders", "a"), 6) == (API,)
    assert asked(held) == []
    assert held.concerned(API) == ()
    assert len(held) == 0


def test_after_a_restore_of_etcd_what_is_stored_counts_though_it_is_older() -> None:
    """A request that was carried out, of which the outcome was undone, asks again."""
    held = book(request("a", 60, api="Succeeded"))
    assert held.put(request("a", 40, api="Pending")) == ()
    held.rewind()
    assert asked(held) == []
    assert held.concerned(API) == (Key("orders", "a"),)
    assert held.put(request("a", 40, api="Pending")) == (API,)
    assert asked(held) == ["a"]
    assert held.remove(Key("orders", "a"), 41) == (API,)
    assert held.concerned(API) == ()


def test_who_has_something_to_do() -> None:
    """Whoever is named now; and whoever may forget an answer, if somebody else asks it for something."""
    held = book()
    assert held.put(request("a", 1)) == ()
    assert held.put(request("a", 2, api="Pending", db="Pending")) == (API, DB)
    assert held.put(request("a", 3, api="Running", db="Succeeded")) == ()
    assert held.put(request("a", 4, api="Succeeded", db="Succeeded")) == ()
    assert held.put(request("b", 5, api="Pending")) == (API,)
    assert held.put(request("b", 6, api="Running")) == ()
    assert held.put(request("c", 7, api="Pending")) == (API,)
    assert held.put(request("b", 8, api="Succeeded")) == (API,)


def test_one_that_was_made_anew_asks_again() -> None:
    """The same name and another uid: nothing that was known of it counts."""
    held = book(request("a", 1, api="Running"))
    assert held.put(replace(request("a", 2, api="Pending"), uid="uid-again")) == (API,)


def test_whose_change_concerns_whom() -> None:
    """Open requests that name the credential, and those of its namespace that have yet to choose."""
    held = book(request("a", 1, api="Running"), request("b", 2, db="Running"), request("over", 3, api="Succeeded"))
    assert [key.name for key in held.concerned(API)] == ["a"]
    held.put(request("new", 4))
    assert [key.name for key in held.concerned(API)] == ["a", "new"]
    assert held.concerned(Key("elsewhere", "api")) == ()
    held.put(request("new", 5, db="Pending"))
    assert [key.name for key in held.concerned(API)] == ["a"]
