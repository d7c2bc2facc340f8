"""The annotation application served on a free port, and a person's HTTP client."""

import http.client
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luxel.annotate.server.app import make_app
from luxel.annotate.server.context import ServerOptions
from luxel.annotate.store.accounts import add_user
from luxel.annotate.store.database import Database
from stand_ins.servers import on_loopback

PASSWORD = "a long password"


@contextmanager
def serving(database: Database, dataset: Path, options: ServerOptions = ServerOptions()) -> Iterator[int]:
    """The port of a running application."""
    with on_loopback(make_app(database, dataset, options)) as port:
        yield port


def make_account(database: Database, name: str, role: str = "annotator") -> None:
    with database.writing() as session:
        add_user(session, name, role, PASSWORD)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """One person's requests. headers: sent with each. cookie, csrf: of the session."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    cookie: str = ""
    csrf: str = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookie:
            sent["cookie"] = self.cookie
        if self.csrf and method != "GET":
            sent.setdefault("x-csrf-token", self.csrf)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("content-type", "application/json")
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        content = response.read()
        found = {name.lower(): value for name, value in response.getheaders()}
        if found.get("content-encoding") == "deflate":
            content = zlib.decompress(content)
        if "set-cookie" in found:
            self.cookie = found["set-cookie"].partition(";")[0]
        connection.close()
        return Answer(response.status, found, content)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", path, {} if body is None else body, **headers)

    def log_in(self, name: str, password: str = PASSWORD) -> "Client":
        answer = self.post("/api/session", {"name": name, "password": password})
        assert answer.status == 200, answer.body
        self.csrf = answer.json["csrf"]
        return self
