"""The audit trail: every entry holds a hash of itself and the one before, so a changed or missing one shows."""

import hashlib
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from luxel.annotate.store.tables import AuditEntry, Project, now, stamp
from luxel.errors import DatasetError

COMMAND_LINE = "command line"
"""Who acts when a command does."""


def record(session: Session, who: str, action: str, subject: str, **detail: Any) -> None:
    """Adds an entry within a writing transaction.

    who: name of the person, or "command line". action: e.g. "accept". subject: what it was done to, e.g. "task 12".
    detail: plain JSON values.
    """
    project = session.get_one(Project, 1, with_for_update=True)  # one writer of the chain at a time
    at, text = stamp(now()), json.dumps(detail, sort_keys=True)
    digest = chain_hash(project.audit_head, at, who, action, subject, text)
    session.add(
        AuditEntry(
            at=at, who=who, action=action, subject=subject, detail=text, previous_hash=project.audit_head, hash=digest
        )
    )
    project.audit_head = digest


def chain_hash(previous: str, *parts: str) -> str:
    """SHA-256 of the previous hash and an entry's parts, 64 hex digits; no two lists of parts give the same text."""
    return hashlib.sha256(json.dumps([previous, *parts]).encode()).hexdigest()


def verify_audit(session: Session) -> int:
    """The number of entries of a sound trail. Raises DatasetError naming the first entry that does not fit."""
    previous, count = "", 0
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
        expected = chain_hash(previous, entry.at, entry.who, entry.action, entry.subject, entry.detail)
        if entry.previous_hash != previous or entry.hash != expected:
            raise DatasetError(
                f"audit entry {entry.id} ({entry.action} by {entry.who}): was changed, or one before it is missing"
            )
        previous, count = entry.hash, count + 1
    if previous != session.get_one(Project, 1).audit_head:
        raise DatasetError("the last audit entries are missing; restore a backup")
    return count
