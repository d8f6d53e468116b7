"""Roles of versions in PostgreSQL's catalogues: their marks, and the statements that make and remove them.

1. A role is ours if its comment says so; a role and its comment are made in one transaction, so none is unmarked.
2. Every name and text in a statement is quoted, also what was read from the catalogues.
3. Only a group role that was granted to us with ADMIN OPTION is given on, on every release: up to 15 the server itself
   would let us give on any that is no superuser.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql

from rekey.core.reasons import Reason
from rekey.core.spec_provide import PostgresqlRole
from rekey.errors import Rejected
from rekey.ports.backend import Claim
from rekey.providers.postgresql.login import Connection

_MARK: Final = "rekey.dev/version"

_GROUP: Final = """
  SELECT g.rolcanlogin, shobj_description(g.oid, 'pg_authid'),
    EXISTS (SELECT FROM pg_roles s WHERE pg_has_role(g.oid, s.oid, 'MEMBER') AND (
      s.rolsuper OR s.rolcreaterole OR s.rolreplication OR s.rolname IN
        ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))),
    EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = g.oid AND m.admin_option AND m.member =
      (SELECT us.oid FROM pg_roles us WHERE us.rolname = current_user))
  FROM pg_roles g WHERE g.rolname = {}"""
_ROLES: Final = """
  SELECT r.rolname, r.oid, d.description FROM pg_roles r
  LEFT JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
  WHERE """
_LEFT: Final = """
  SELECT coalesce(d.datname, current_database()) FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
  WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = {} GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True)
class Role:
    """A role that is there; `claim` is what its mark says, None if it has none of ours."""

    name: str
    oid: int
    claim: Claim | None


def named(group: str, number: int) -> str:
    """Return what the role of a version is called."""
    return f"{group}_v{number}"


def _mark(claim: Claim) -> str:
    told = {"owner": claim.owner, "namespace": claim.namespace, "name": claim.name, "number": claim.number}
    return json.dumps({_MARK: told})


def _read_mark(text: str | None) -> Claim | None:
    try:
        told = json.loads(text or "")[_MARK]
        return Claim(str(told["owner"]), str(told["namespace"]), str(told["name"]), int(told["number"]))
    except (ValueError, TypeError, KeyError):
        return None


async def run(connection: Connection, statement: LiteralString, *parts: sql.Composable) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows."""
    cursor = await connection.execute(sql.SQL(statement).format(*parts))
    return await cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def alone(connection: Connection, name: str) -> AsyncIterator[None]:
    """Do all that follows or nothing, and nobody else does anything with that role meanwhile."""
    # What fails is not rolled back by us: the connection ends, and with it the transaction.
    await run(connection, "BEGIN")
    await run(connection, "SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", sql.Literal(name))
    yield
    await run(connection, "COMMIT")


async def role_named(connection: Connection, name: str) -> Role | None:
    """Return the role of that name."""
    found = await run(connection, _ROLES + "r.rolname = {}", sql.Literal(name))
    return next((Role(name, oid, _read_mark(text)) for name, oid, text in found), None)


async def roles_of(connection: Connection, owner: str) -> list[Role]:
    """Return the roles that are marked as the credential's, the oldest first."""
    found = await run(connection, _ROLES + "position({} in d.description) > 0", sql.Literal(owner))
    roles = [(claim, Role(name, oid, claim)) for name, oid, text in found if (claim := _read_mark(text)) is not None]
    return [role for claim, role in sorted(roles, key=lambda pair: pair[0].number) if claim.owner == owner]


async def demand_group(connection: Connection, group: str) -> None:
    """See that the group role may be given on."""
    found = await run(connection, _GROUP, sql.Literal(group))
    if not found:
        why = f"there is no role {group}: CREATE ROLE {group} NOLOGIN, and grant it to us WITH ADMIN OPTION"
        raise Rejected(Reason.BACKEND_REFUSED, why)
    logs_in, comment, powerful, given = found[0]
    if powerful:
        raise Rejected(
            Reason.BACKEND_REFUSED,
            f"role {group} is, or is a member of, a role that may do anything there: it is not given on",
        )
    if _read_mark(comment) is not None:
        raise Rejected(Reason.BACKEND_REFUSED, f"role {group} is a version of a credential: it is not given on")
    if logs_in:
        raise Rejected(Reason.BACKEND_REFUSED, f"role {group} can log in: ALTER ROLE {group} NOLOGIN, or name another")
    if not given:
        raise Rejected(
            Reason.BACKEND_REFUSED,
            f"role {group} was not given to the role we log in by: GRANT {group} TO it WITH ADMIN OPTION",
        )


async def put(
    connection: Connection, claim: Claim, wanted: PostgresqlRole, password: bytes, expires: datetime | None
) -> None:
    """Make the role of a version, or make it again what it should be; its password is told as a verifier only."""
    name = named(wanted.role, claim.number)
    role, group = sql.Identifier(name), sql.Identifier(wanted.role)
    found = await role_named(connection, name)
    if found is None:
        await run(connection, "CREATE ROLE {}", role)
    elif found.claim is None or (found.claim.owner, found.claim.number) != (claim.owner, claim.number):
        raise Rejected(
            Reason.NAME_TAKEN,
            f"role {name} is there and not of this credential: drop or rename it, or use a group role of its own",
        )
    verifier = connection.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256")
    await run(
        connection,
        "ALTER ROLE {} LOGIN CONNECTION LIMIT {} VALID UNTIL {} PASSWORD {}",
        role,
        sql.Literal(-1 if wanted.connection_limit is None else wanted.connection_limit),
        sql.Literal("infinity" if expires is None else expires.isoformat()),
        sql.Literal(verifier.decode("ascii")),
    )
    await run(connection, "GRANT {} TO {}", group, role)
    await run(connection, "ALTER ROLE {} SET role TO {}", role, group)
    await run(connection, "COMMENT ON ROLE {} IS {}", role, sql.Literal(_mark(claim)))


async def shut(connection: Connection, role: Role) -> None:
    """Let nobody log in as it any more, and have the right to end and drop what is its own."""
    await run(connection, "ALTER ROLE {} NOLOGIN VALID UNTIL '1970-01-01'", sql.Identifier(role.name))
    await run(connection, "GRANT {} TO CURRENT_USER", sql.Identifier(role.name))


async def sessions(connection: Connection, role: Role, *, end: bool) -> int:
    """Return how many connections it has; end them if asked to."""
    statement: LiteralString = "SELECT pid FROM pg_stat_activity WHERE usesysid = {}"
    if end:
        statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = {}"
    found = await run(connection, statement, sql.Literal(role.oid))
    return len(found)


async def drop(connection: Connection, role: Role, group: str) -> None:
    """Drop it; what it owns in this database goes to the group role."""
    name = sql.Identifier(role.name)
    left = [database for (database,) in await run(connection, _LEFT, sql.Literal(role.oid))]
    here = connection.info.dbname
    if elsewhere := [database for database in left if database != here]:
        raise Rejected(
            Reason.BACKEND_REFUSED,
            f"role {role.name} cannot log in any more, but owns something or has rights in database "
            f"{', '.join(elsewhere)}: there do REASSIGN OWNED BY {role.name} TO {group}; DROP OWNED BY {role.name}",
        )
    if left:
        await run(connection, "REASSIGN OWNED BY {} TO {}", name, sql.Identifier(group))
        await run(connection, "DROP OWNED BY {}", name)
    await run(connection, "DROP ROLE {}", name)
