"""Sessions, forged requests, roles, invitations, proxies, limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from luxel.annotate.server.app import MAX_BODY
from luxel.annotate.server.context import ServerOptions
from luxel.annotate.store import accounts
from luxel.annotate.store.database import Database
from luxel.web.limits import Rate
from stand_ins.annotation_server import PASSWORD, Client, make_account, serving


@pytest.fixture
def port(database: Database, dataset: Path) -> Iterator[int]:
    make_account(database, "anna")
    make_account(database, "dora", "admin")
    with serving(database, dataset) as port:
        yield port


def test_without_a_session_nothing_is_served(port: int) -> None:
    anonymous = Client(port)
    for path in ("/api/session", "/api/tasks/mine", "/api/frames/1/image.png", "/api/users", "/api/scenes/1/facts"):
        assert anonymous.get(path).status == 401
    assert anonymous.post("/api/tasks/next").status == 401
    assert anonymous.get("/").headers["location"] == "/login"
    assert Client(port, cookie="luxel_session=made-up").get("/api/session").status == 401


def test_a_wrong_password_says_nothing_of_the_name_and_is_slowed(port: int, database: Database) -> None:
    anonymous = Client(port)
    answers = [anonymous.post("/api/session", {"name": n, "password": "wrong wrong"}) for n in ("anna", "nobody")]
    assert {a.status for a in answers} == {403}
    assert len({a.body for a in answers}) == 1
    statuses = [anonymous.post("/api/session", {"name": "anna", "password": "wrong"}).status for _ in range(12)]
    assert statuses[-1] == 429
    with database.reading() as session:
        stored = session.execute(text("SELECT password_hash FROM person")).scalars().all()
    assert all(hashed.startswith("$argon2id$") and PASSWORD not in hashed for hashed in stored)


def test_the_cookie_is_not_for_scripts_or_other_sites(port: int, database: Database) -> None:
    client = Client(port)
    answer = client.post("/api/session", {"name": "anna", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    token = client.cookie.partition("=")[2]
    with database.reading() as session:
        assert token not in str(session.execute(text("SELECT * FROM login_session")).all())


def test_forged_requests_are_rejected(port: int) -> None:
    anna = Client(port).log_in("anna")
    assert anna.post("/api/tasks/next", x_csrf_token="guess").status == 403
    assert anna.post("/api/tasks/next", origin="https://evil.example").status == 403
    assert anna.post("/api/tasks/next", sec_fetch_site="cross-site").status == 403
    assert anna.post("/api/tasks/next", origin=f"http://127.0.0.1:{port}").status == 200
    login = {"name": "anna", "password": PASSWORD}
    assert Client(port).post("/api/session", login, origin="https://evil.example").status == 403


def test_roles_end_where_they_end(port: int) -> None:
    anna = Client(port).log_in("anna")
    for path in ("/api/users", "/api/audit", "/api/targets", "/api/progress", "/api/agreement"):
        assert anna.get(path).status == 403
    for path in ("/api/write-back", "/api/tasks/more", "/api/tasks/1/release"):
        assert anna.post(path).status == 403
    assert anna.post("/api/invitations", {"name": "eve", "role": "admin"}).status == 403


def test_an_invitation_makes_one_account_once(port: int) -> None:
    dora = Client(port).log_in("dora")
    path = dora.post("/api/invitations", {"name": "emil", "role": "adjudicator"}).json["path"]
    accept = {"token": path.rpartition("/")[2], "password": "another long one"}
    assert Client(port).get(path).status == 200
    assert Client(port).post("/api/invitations/accept", {**accept, "password": "short"}).status == 422
    emil = Client(port)
    assert emil.post("/api/invitations/accept", accept).json["role"] == "adjudicator"
    assert emil.get("/api/session").json["name"] == "emil"
    assert Client(port).post("/api/invitations/accept", accept).status == 422
    assert dora.post("/api/invitations", {"name": "emil"}).status == 422
    for name in ("", "a/b", "x;y", "rules", "a" * 81, "bad\u0007"):
        assert dora.post("/api/invitations", {"name": name}).status == 422


def test_whoever_is_let_out_is_out_at_once(port: int) -> None:
    anna, dora = Client(port).log_in("anna"), Client(port).log_in("dora")
    ids = {user["name"]: user["id"] for user in dora.get("/api/users").json}
    assert dora.ask("PATCH", f"/api/users/{ids['anna']}", {"active": False}).status == 200
    assert anna.get("/api/session").status == 401
    assert Client(port).post("/api/session", {"name": "anna", "password": PASSWORD}).status == 403
    assert dora.ask("PATCH", f"/api/users/{ids['dora']}", {"role": "annotator"}).status == 422
    trail = dora.get("/api/audit").json
    assert trail["sound"]
    assert "change account" in [row["action"] for row in trail["rows"]]
    assert dora.ask("DELETE", "/api/session").status == 200
    assert dora.get("/api/session").status == 401


def test_large_bodies_are_cut_off(port: int) -> None:
    anna = Client(port).log_in("anna")
    assert anna.post("/api/tasks/1/ops", b" " * (MAX_BODY + 1)).status == 413
    assert anna.post("/api/tasks/1/ops", b"{" * 50_000).status == 422


def test_no_path_reaches_the_file_system(port: int) -> None:
    anna = Client(port).log_in("anna")
    for path in ("/static/../../etc/passwd", "/static/%2e%2e%2fapp.py", "/static//etc/passwd", "/static/app.py"):
        assert anna.get(path).status in (307, 404)
    for path in ("/api/frames/..%2f..%2fmanifest/image.png", "/api/scenes/x/facts", "/api/scenes/-1/facts"):
        assert anna.get(path).status in (404, 422)


def test_pages_run_their_own_scripts_only(port: int) -> None:
    for path in ("/login", "/api/session", "/nowhere"):
        headers = Client(port).get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_proxy_says_who_it_is(database: Database, dataset: Path) -> None:
    with database.writing() as session:
        accounts.add_user(session, "anna@lab", "annotator", None)
    options = ServerOptions(user_header="X-Remote-User", https=True)
    with serving(database, dataset, options) as port:
        anna = Client(port, headers={"X-Remote-User": "anna@lab"})
        page = anna.get("/")
        assert page.status == 200
        assert "secure" in page.headers["set-cookie"].lower()
        assert anna.get("/api/session").json["name"] == "anna@lab"
        assert Client(port, cookie=anna.cookie).get("/api/session").status == 401
        assert Client(port, headers={"X-Remote-User": "eve"}).get("/").status == 403
        assert Client(port, headers={"X-Remote-User": "anna@lab"}).post("/api/tasks/next").status == 403
    with serving(database, dataset, ServerOptions(user_header="X-Remote-User", proxies=("10.0.0.1",))) as port:
        assert Client(port, headers={"X-Remote-User": "anna@lab"}).get("/api/session").status == 401


def test_it_answers_to_its_own_names_only(database: Database, dataset: Path) -> None:
    with serving(database, dataset, ServerOptions(host_names=("lab.example",))) as port:
        assert Client(port).get("/healthz", host="rebound.example").status == 400
        assert Client(port).get("/healthz", host="lab.example").status == 200


def test_a_bucket_fills_again() -> None:
    moment = 0.0
    rate = Rate(60, 2, clock=lambda: moment)
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    assert rate.allows("b")
    moment = 1.0
    assert rate.allows("a")
    assert not rate.allows("a")
