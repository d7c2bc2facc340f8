"""Pictures by URL: only from listed places, whatever the URL looks like, and never by a redirect."""

import asyncio
import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from luxel.errors import LuxelError
from luxel.serve.app import make_app
from luxel.serve.fetching import AllowedUrls, FetchError, fetch
from luxel.serve.options import ServiceOptions
from stand_ins.servers import Answered, ask, call, on_loopback
from stand_ins.service_work import begin

asked: list[str] = []


class Shop(http.server.BaseHTTPRequestHandler):
    """A server of pictures with every fault."""

    def do_GET(self) -> None:
        asked.append(self.path)
        name = self.path.rpartition("/")[2].partition("?")[0]
        self.send_response({"moved.jpg": 302, "none.jpg": 404}.get(name, 200))
        if name == "moved.jpg":
            self.send_header("Location", "/secret/1.jpg")
        self.end_headers()
        if name == "cut.jpg":
            return
        for _ in range(20 if name == "slow.jpg" else 1):
            try:
                self.wfile.write(b"quick " + b" " * (5000 if name == "large.jpg" else 0))
            except OSError:
                return
            time.sleep(0.05 if name == "slow.jpg" else 0)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.example/shop2/1.jpg",
        "https://photos.example/shop",
        "https://photos.example/shop/../1.jpg",
        "https://photos.example/shop/%2e%2e/1.jpg",
        "https://photos.example/shop/..%2F1.jpg",
        "https://photos.example/shop/%5c..%5c1.jpg",
        "https://photos.example/shop\\..\\1.jpg",
        "https://photos.example:444/shop/1.jpg",
        "http://photos.example/shop/1.jpg",
        "https://photos.example.evil.example/shop/1.jpg",
        "https://photos.example@evil.example/shop/1.jpg",
        "https://evil.example/https://photos.example/shop/1.jpg",
        "https://photos.example/shop/1.jpg#x",
        "https://photos.example/shop/1.jpg\r\nX: y",
        " https://photos.example/shop/1.jpg",
        "https://photos.example:99999/shop/1.jpg",
        "https://[photos.example/shop/1.jpg",
        "//photos.example/shop/1.jpg",
        "file:///etc/passwd",
        "data:,quick",
        "ftp://photos.example/shop/1.jpg",
        "https://ph\u043etos.example/shop/1.jpg",
        "",
    ],
)
def test_urls_outside_the_list(url: str) -> None:
    allowed = AllowedUrls(["https://photos.example/shop"])
    assert not allowed.allows(url)
    with pytest.raises(FetchError, match="not in the list") as error:
        fetch(url, allowed, max_bytes=10, seconds=1)
    assert error.value.status == 403


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.example/shop/1.jpg",
        "HTTPS://Photos.Example:443/shop/a/b.jpg?signature=a/../b",
        "https://photos.example/shop/a..b.jpg",
    ],
)
def test_urls_inside_the_list(url: str) -> None:
    assert AllowedUrls(["https://photos.example/shop"]).allows(url)


@pytest.mark.parametrize(
    "beginning", ["photos.example", "file:///data", "https://", "https://a.example/?q=1", "https://a@b/", "*"]
)
def test_lists_that_cannot_be_meant(beginning: str) -> None:
    with pytest.raises(LuxelError, match="give http:// or https://, a host and a folder"):
        AllowedUrls([beginning])


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("moved.jpg", 502, "the server of the URL answered 302"),
        ("none.jpg", 502, "the server of the URL answered 404"),
        ("large.jpg", 413, "larger than 1000 bytes"),
        ("slow.jpg", 504, "took longer than 0.2 s"),
    ],
)
def test_what_gives_no_picture(shop: str, name: str, status: int, reason: str) -> None:
    with pytest.raises(FetchError, match=reason) as error:
        fetch(f"{shop}/open/{name}", AllowedUrls([f"{shop}/open"]), max_bytes=1000, seconds=0.2)
    assert error.value.status == status
    assert not [path for path in asked if "secret" in path]


def test_the_service_fetches_from_its_list(shop: str) -> None:
    def post(port: int, path: str, body: object) -> Answered:
        return ask(port, "POST", path, json.dumps(body).encode(), content_type="application/json; charset=utf-8")

    with on_loopback(make_app(ServiceOptions(allowed_urls=(f"{shop}/open",)), begin=begin)) as port:
        answer = post(port, "/v1/assess", {"url": f"{shop}/open/1.jpg?key=secret"})
        assert (answer.status, answer.json["word"], answer.json["name"]) == (200, "quick", f"{shop}/open/1.jpg")
        assert post(port, "/v1/assess", {"url": f"{shop}/secret/1.jpg"}).status == 403
        assert post(port, "/v1/assess", {"url": f"{shop}/open/none.jpg"}).status == 502
        rows = post(port, "/v1/batch", {"urls": [f"{shop}/open/{n}.jpg" for n in range(3)]}).body.splitlines()
        assert [json.loads(row)["name"][-5:] for row in rows] == ["0.jpg", "1.jpg", "2.jpg"]
        for wrong in ({}, [], {"url": 1}, {"url": ["a"]}, None, {"urls": ["a"]}):
            assert post(port, "/v1/assess", wrong).status == 422
        assert post(port, "/v1/batch", {"urls": {"a": 1}}).status == 422


def test_without_a_list_nothing_is_fetched(shop: str) -> None:
    before = len(asked)
    body = json.dumps({"url": f"{shop}/open/1.jpg"}).encode()
    app = make_app(ServiceOptions(), begin=begin)
    answer = asyncio.run(call(app, "POST", "/v1/assess", [body], {"content-type": "application/json"}))
    assert (answer.status, len(asked)) == (403, before)
