"""The tables of an annotation project.

History only grows: operations, submissions, adjudications and audit entries are inserted and never changed. Times are
ISO 8601 in UTC with microseconds, a form that sorts. Maps are compressed bytes as `luxel.annotate.editing.maps` packs
them.
"""

from datetime import UTC, datetime

from sqlalchemy import Boolean, Float, ForeignKey, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    """The time, with its zone; the one clock of the store."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A time as the tables hold it, e.g. "2026-11-27T15:16:14.000000+00:00"; sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Base(DeclarativeBase):
    """Base of all tables."""


class Project(Base):
    """The one project of a database. config: JSON of `luxel.annotate.store.config.Config`."""

    __tablename__ = "project"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[str] = mapped_column(String(40))
    config: Mapped[str] = mapped_column(Text)
    audit_head: Mapped[str] = mapped_column(String(64), default="")


class Scene(Base):
    """A scene of the dataset. source_sha256: of fused.png; a rebuilt scene with other pixels is another row.

    segments: uint16 [H, W] fine segments, packed. parents: int32 [2, n], medium and coarse segment of each fine one.
    """

    __tablename__ = "scene"
    __table_args__ = (UniqueConstraint("name", "source_sha256"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    source_sha256: Mapped[str] = mapped_column(String(64))
    blocks_sha256: Mapped[str] = mapped_column(String(64))
    segments: Mapped[bytes] = mapped_column(LargeBinary)
    parents: Mapped[bytes] = mapped_column(LargeBinary)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class Frame(Base):
    """One exposure of a scene. need: how much its label needs a person, 0 (none) to 1."""

    __tablename__ = "frame"
    __table_args__ = (UniqueConstraint("scene_id", "level"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    scene_id: Mapped[int] = mapped_column(ForeignKey("scene.id"), index=True)
    level: Mapped[str] = mapped_column(String(40))
    ev: Mapped[float | None] = mapped_column(Float)
    image_sha256: Mapped[str] = mapped_column(String(64))
    need: Mapped[float] = mapped_column(Float, default=0.0)


class StartMap(Base):
    """What a task can start from or be filled from; never changed.

    source: "rules", "model", "uncertainty" or "gold". frame_id: None for the decisions of a reference.
    """

    __tablename__ = "start_map"
    __table_args__ = (UniqueConstraint("scene_id", "frame_id", "source", "sha256"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    scene_id: Mapped[int] = mapped_column(ForeignKey("scene.id"), index=True)
    frame_id: Mapped[int | None] = mapped_column(ForeignKey("frame.id"), index=True)
    source: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[str] = mapped_column(String(40))


class User(Base):
    """A person. password_hash: Argon2, None where a proxy says who it is."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[str] = mapped_column(String(40))


class LoginSession(Base):
    """A browser that is logged in. Only hashes of its cookie are stored. screen: JSON of its screen check."""

    __tablename__ = "login_session"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[str] = mapped_column(String(40))
    expires_at: Mapped[str] = mapped_column(String(40))
    screen: Mapped[str] = mapped_column(Text, default="{}")


class Invitation(Base):
    """A link that makes one account, once."""

    __tablename__ = "invitation"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    made_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[str] = mapped_column(String(40))
    expires_at: Mapped[str] = mapped_column(String(40))
    used_at: Mapped[str | None] = mapped_column(String(40))


class Task(Base):
    """One person's work on one scene's reference or one frame's map.

    kind: "reference" or "residual". purpose: "normal", "gold" or "repeat"; annotators never see it. replica: from 0.
    start_id: the map it starts from, None for a blank one. state: "open", "leased", "submitted", "accepted" or
    "returned". user_id: whose it is, from the first lease on. seq, head: number and hash of its last operation.
    epoch: grows with every lease. priority: the higher, the earlier.
    """

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    scene_id: Mapped[int] = mapped_column(ForeignKey("scene.id"), index=True)
    frame_id: Mapped[int | None] = mapped_column(ForeignKey("frame.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[str] = mapped_column(String(20), default="normal")
    replica: Mapped[int] = mapped_column(Integer)
    start_id: Mapped[int | None] = mapped_column(ForeignKey("start_map.id"))
    state: Mapped[str] = mapped_column(String(20), default="open", index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    priority: Mapped[float] = mapped_column(Float, default=0.0)
    seq: Mapped[int] = mapped_column(Integer, default=0)
    head: Mapped[str] = mapped_column(String(64), default="")
    epoch: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[str] = mapped_column(String(40))


class Lease(Base):
    """Who may write to a task now."""

    __tablename__ = "lease"
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    token_sha256: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[str] = mapped_column(String(40))


class OperationRow(Base):
    """One operation of a task's log. payload: canonical JSON. hash: of the previous hash and this row."""

    __tablename__ = "operation"
    __table_args__ = (UniqueConstraint("task_id", "seq"), UniqueConstraint("task_id", "client_uuid"))
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    seq: Mapped[int] = mapped_column(Integer)
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    epoch: Mapped[int] = mapped_column(Integer)
    client_uuid: Mapped[str] = mapped_column(String(36))
    payload: Mapped[str] = mapped_column(Text)
    made_at: Mapped[str] = mapped_column(String(40))
    received_at: Mapped[str] = mapped_column(String(40))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Submission(Base):
    """A finished task's map. data: packed map. verdict: "submitted", "accepted" or "returned".

    untouched: share left as it started. gold_error: mean absolute difference from the known map, where there is one.
    """

    __tablename__ = "submission"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    seq: Mapped[int] = mapped_column(Integer)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    map_sha256: Mapped[str] = mapped_column(String(64))
    seconds_active: Mapped[float] = mapped_column(Float)
    untouched: Mapped[float] = mapped_column(Float)
    gold_error: Mapped[float | None] = mapped_column(Float)
    comment: Mapped[str] = mapped_column(Text, default="")
    submitted_at: Mapped[str] = mapped_column(String(40))
    verdict: Mapped[str] = mapped_column(String(20), default="submitted")
    reason: Mapped[str] = mapped_column(Text, default="")


class Adjudication(Base):
    """The project's decision on a scene's reference or a frame's map. weights: JSON, expert to weight."""

    __tablename__ = "adjudication"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    scene_id: Mapped[int] = mapped_column(ForeignKey("scene.id"), index=True)
    frame_id: Mapped[int | None] = mapped_column(ForeignKey("frame.id"), index=True)
    method: Mapped[str] = mapped_column(String(20))
    weights: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    map_sha256: Mapped[str] = mapped_column(String(64))
    made_by: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text)
    made_at: Mapped[str] = mapped_column(String(40))


class AuditEntry(Base):
    """Who did what, in a chain of hashes: a changed or missing entry shows."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[str] = mapped_column(String(40))
    who: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
