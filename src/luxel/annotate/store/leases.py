"""Leases: who may write to a task now. The epoch, which grows with every lease, tells old tabs from new ones."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from luxel.annotate.store.tables import Lease, Task, User, now, stamp


class TaskTaken(Exception):
    """Another person has the task. holder: who. until: when their lease ends unless they renew it."""

    def __init__(self, holder: str, until: str) -> None:
        super().__init__(f"{holder} has this task until {until}")
        self.holder, self.until = holder, until


class StaleLease(Exception):
    """The lease was replaced: the task is open in another tab, or was handed to somebody else."""


class TaskClosed(Exception):
    """The task is submitted or accepted."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A lease as its holder sees it. token: only the holder has it."""

    token: str
    epoch: int
    expires_at: str


def digest(token: str) -> str:
    """SHA-256 of a secret, what the database keeps of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def take_lease(session: Session, task: Task, user: User, seconds: int) -> Grant:
    """Leases a locked task to a person; an earlier lease of the same person ends.

    session: writing. Raises TaskTaken, or TaskClosed.
    """
    if task.state not in ("open", "leased", "returned"):
        raise TaskClosed(f"task {task.id} is {task.state}")
    lease = session.get(Lease, task.id)
    if task.user_id not in (None, user.id):
        holder = session.get_one(User, task.user_id)
        raise TaskTaken(holder.name, lease.expires_at if lease else "")
    token = secrets.token_urlsafe(24)
    task.epoch += 1
    task.user_id = user.id
    task.state = "leased"
    expires = stamp(now() + timedelta(seconds=seconds))
    if lease is None:
        lease = Lease(task_id=task.id)
        session.add(lease)
    lease.user_id, lease.token_sha256, lease.epoch, lease.expires_at = user.id, digest(token), task.epoch, expires
    return Grant(token, task.epoch, expires)


def hold_lease(session: Session, task: Task, user_id: int, token: str, epoch: int, seconds: int) -> str:
    """Checks and renews a lease; returns when it ends now.

    A lease that ran out while nobody else took the task still holds: a person without network for an hour loses
    nothing. Raises StaleLease, or TaskClosed.
    """
    lease = session.get(Lease, task.id)
    if lease is None or lease.epoch != epoch or lease.user_id != user_id or lease.token_sha256 != digest(token):
        raise StaleLease(f"task {task.id}: opened again elsewhere")
    if task.state != "leased":
        raise TaskClosed(f"task {task.id} is {task.state}")
    lease.expires_at = stamp(now() + timedelta(seconds=seconds))
    return lease.expires_at


def end_lease(session: Session, task: Task) -> None:
    """Ends the lease of a task, if there is one."""
    if lease := session.get(Lease, task.id):
        session.delete(lease)


def release_idle(session: Session, task: Task) -> bool:
    """Frees a task that was leased, never worked on and left; returns whether it was."""
    lease = session.get(Lease, task.id)
    if task.state != "leased" or task.seq > 0 or (lease is not None and lease.expires_at > stamp(now())):
        return False
    end_lease(session, task)
    task.user_id, task.state = None, "open"
    return True
