"""The HTTP interface: tasks from lease to submission, what is wrong, adjudication, write-back."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luxel import images
from luxel.annotate.editing.maps import TaskMap
from luxel.annotate.store.database import Database
from luxel.dataset.check.check import check_dataset
from luxel.residual_files import read_saved_map
from stand_ins.annotation_server import Answer, Client, make_account, serving
from stand_ins.annotators import brush, zones

PEOPLE = {"anna": "annotator", "bert": "annotator", "carla": "adjudicator", "dora": "admin"}


@pytest.fixture
def port(database: Database, dataset: Path) -> Iterator[int]:
    for name, role in PEOPLE.items():
        make_account(database, name, role)
    with serving(database, dataset) as port:
        yield port


@pytest.fixture
def person(port: int) -> Callable[[str], Client]:
    return lambda name: Client(port).log_in(name)


def sent(operation: dict[str, Any]) -> dict[str, Any]:
    return {"client_uuid": str(uuid.uuid4()), "made_at": "2026-11-27T10:00:00.000Z", "operation": operation}


def draw(client: Client, opened: dict[str, Any], base: int, *operations: dict[str, Any]) -> Answer:
    lease = opened["lease"]
    body = {"token": lease["token"], "epoch": lease["epoch"], "base_seq": base, "ops": [sent(o) for o in operations]}
    return client.post(f"/api/tasks/{opened['task']['id']}/ops", body)


def finish(client: Client, opened: dict[str, Any], seq: int, **more: Any) -> Answer:
    lease = opened["lease"]
    body = {"token": lease["token"], "epoch": lease["epoch"], "seq": seq, **more}
    return client.post(f"/api/tasks/{opened['task']['id']}/submit", body)


def work(client: Client, kind: str, *operations: dict[str, Any]) -> dict[str, Any]:
    opened = client.post("/api/tasks/next", {"kind": kind}).json
    assert draw(client, opened, 0, *operations).status == 200
    done = finish(client, opened, len(operations))
    assert done.status == 200, done.body
    return {**opened["task"], **done.json}


def test_a_map_from_lease_to_submission(person: Callable[[str], Client], tmp_path: Path) -> None:
    anna = person("anna")
    opened = anna.post("/api/tasks/next", {"kind": "residual"}).json
    task = opened["task"]
    assert {"purpose", "replica", "priority"}.isdisjoint(task)
    assert draw(anna, opened, 0, brush(9000), {"kind": "undo", "target": 1}, brush(-5000)).json == {"acked_seq": 3}
    got = anna.get(f"/api/tasks/{task['id']}/map")
    cells = task["width"] * task["height"]
    made = TaskMap(np.frombuffer(got.body, "<i2", cells), np.frombuffer(got.body, np.uint8, offset=2 * cells))
    assert got.headers["etag"] == f'"{made.sha256}"'
    assert made.codes.reshape(task["height"], task["width"])[20, 20] == -5000
    assert anna.get(f"/api/tasks/{task['id']}/map", if_none_match=got.headers["etag"]).status == 304
    image = anna.get(f"/api/tasks/{task['id']}/map.png")
    (tmp_path / "map.residual.png").write_bytes(image.body)
    np.testing.assert_allclose(read_saved_map(tmp_path / "map.residual.png").ravel(), made.values, atol=2e-5)
    done = finish(anna, opened, 3)
    assert done.json["map_sha256"] == made.sha256
    assert [row["state"] for row in anna.get("/api/tasks/mine").json] == ["submitted"]


def test_tabs_and_people_are_kept_apart(person: Callable[[str], Client]) -> None:
    anna, bert = person("anna"), person("bert")
    first = anna.post("/api/tasks/next", {"kind": "residual"}).json
    number = first["task"]["id"]
    assert draw(anna, first, 0, brush(1)).status == 200
    second = anna.post(f"/api/tasks/{number}/open").json
    assert [row["seq"] for row in second["ops"]] == [1]
    assert draw(anna, first, 1, brush(2)).status == 410
    behind = draw(anna, second, 0, brush(2))
    assert (behind.status, behind.json["server_seq"]) == (409, 1)
    assert [row["seq"] for row in behind.json["ops_since"]] == [1]
    assert draw(anna, second, 1, {"kind": "undo", "target": 7}).status == 422
    assert bert.get(f"/api/tasks/{number}/map").status == 403
    assert bert.post(f"/api/tasks/{number}/open").status == 403
    assert draw(bert, second, 1, brush(3)).status == 410
    assert person("carla").get(f"/api/tasks/{number}/map").status == 200
    assert anna.get("/api/tasks/99999/map").status == 404


def test_images_and_arrays_belong_together(person: Callable[[str], Client], tmp_path: Path) -> None:
    anna = person("anna")
    task = anna.post("/api/tasks/next", {"kind": "reference"}).json["task"]
    shape = (task["height"], task["width"])
    scene = f"/api/scenes/{task['scene_id']}"
    labels = np.frombuffer(anna.get(f"{scene}/arrays/segments").body, "<u2").reshape(shape)
    facts = anna.get(f"{scene}/facts").json
    assert task["cells"] == [labels.max() + 1] == [len(facts["mean"])]
    (tmp_path / "fused.png").write_bytes(anna.get(f"{scene}/fused.png").body)
    fused = images.read(tmp_path / "fused.png").pixels / 255
    y = fused @ np.array([0.299, 0.587, 0.114])
    assert facts["mean"][3] == pytest.approx(y[labels == 3].mean(), abs=0.003)
    for name in ("guide", "free"):
        assert len(anna.get(f"{scene}/arrays/{name}").body) == y.size
    for frame in task["frames"]:
        (tmp_path / "frame.png").write_bytes(anna.get(f"/api/frames/{frame['id']}/image.png").body)
        image = images.read(tmp_path / "frame.png").pixels
        grey = np.frombuffer(anna.get(f"/api/frames/{frame['id']}/grey").body, np.uint8).reshape(shape)
        assert np.abs(grey - image @ np.array([0.299, 0.587, 0.114])).max() <= 0.51
    assert anna.get(f"{scene}/arrays/passwords").status == 422
    assert len(anna.get("/api/exposure-table").body) == 25 * 256 * 2
    assert anna.get(f"/api/tasks/{task['id']}/preview.png").body.startswith(b"\x89PNG")


def test_adjudication_and_write_back(person: Callable[[str], Client], dataset: Path) -> None:
    anna, bert, carla, dora = (person(name) for name in PEOPLE)
    ours = [work(client, "reference", zones([2, 4], value)) for client, value in ((anna, 3000), (bert, 5000))]
    assert ours[0]["scene_id"] == ours[1]["scene_id"]
    scene = ours[0]["scene_id"]
    listed = carla.get("/api/targets").json
    assert [(row["opinions"], row["decided"]) for row in listed] == [(2, False)]
    shown = carla.get(f"/api/targets/{scene}/0").json
    assert [o["expert"] for o in shown["opinions"]] == ["anna", "bert"]
    for name in ("disagreement.png", f"change.png?submission={ours[0]['submission']}"):
        assert carla.get(f"/api/targets/{scene}/0/{name}").body.startswith(b"\x89PNG")
    assert carla.get(f"/api/submissions/{ours[0]['submission']}/view.png").body.startswith(b"\x89PNG")
    weights = {str(ours[0]["submission"]): 1, str(ours[1]["submission"]): 0}
    decide = f"/api/targets/{scene}/0/decide"
    assert carla.post(decide, {"weights": weights, "reason": ""}).status == 422
    assert anna.post(decide, {"weights": weights, "reason": "the wall"}).status == 403
    assert carla.post(decide, {"weights": weights, "reason": "the wall", "gold": True}).status == 200
    assert carla.get(f"/api/targets/{scene}/0/decision.png").body.startswith(b"\x89PNG")
    written = dora.post("/api/write-back")
    assert written.json["references"] == 1, written.body
    assert check_dataset(dataset).problems == []
    agreement = carla.get("/api/agreement").json
    assert agreement["reference"]["experts"] == ["anna", "bert"]
    assert agreement["residual"]["undefined"]["alpha"] == "no scene was rated by two experts"
    assert {p["name"] for p in carla.get("/api/progress").json["people"]} == {"anna", "bert"}


def test_verdicts_need_another_person_and_a_reason(person: Callable[[str], Client]) -> None:
    carla = person("carla")
    own = work(carla, "residual", brush(500))
    verdict = f"/api/submissions/{own['submission']}/verdict"
    assert carla.post(verdict, {"verdict": "accepted"}).status == 403
    dora = person("dora")
    assert dora.post(verdict, {"verdict": "returned"}).status == 422
    assert dora.post(verdict, {"verdict": "returned", "reason": "the lamp"}).status == 200
    assert carla.get("/api/tasks/mine").json[0]["reason"] == "the lamp"
    assert dora.post(verdict, {"verdict": "accepted"}).status == 409


def test_more_people_where_opinions_differ(person: Callable[[str], Client]) -> None:
    anna, bert, dora = person("anna"), person("bert"), person("dora")
    everything = list(range(100))
    work(anna, "reference", zones(everything, 9000))
    work(bert, "reference", zones(everything, -3000))
    assert dora.post("/api/tasks/more").json == {"added": 3}
    assert dora.post("/api/tasks/more").json == {"added": 0}
    assert anna.post("/api/tasks/more").status == 403


def test_a_released_task_goes_to_somebody_else(person: Callable[[str], Client]) -> None:
    anna, bert, dora = person("anna"), person("bert"), person("dora")
    opened = anna.post("/api/tasks/next", {"kind": "residual"}).json
    draw(anna, opened, 0, brush(100))
    assert dora.post(f"/api/tasks/{opened['task']['id']}/release").status == 200
    assert draw(anna, opened, 1, brush(200)).status == 410
    other = bert.post("/api/tasks/next", {"kind": "residual"}).json
    assert other["task"]["id"] == opened["task"]["id"]
    assert [row["operation"]["kind"] for row in other["ops"]] == ["brush", "start_over"]


def test_health_and_counts(port: int, person: Callable[[str], Client]) -> None:
    anonymous = Client(port)
    assert anonymous.get("/healthz").json["status"] == "ok"
    assert anonymous.get("/readyz").status == 200
    work(person("anna"), "residual", brush(1), brush(2))
    assert b"luxel_annotate_operations 2\n" in anonymous.get("/metrics").body
