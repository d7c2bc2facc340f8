"""Load on `luxel serve` over loopback by locust: latency, throughput, memory; bombs, slow clients and killed processes.

    python -m venv load && load/bin/pip install locust
    python benchmarks/service_load.py --locust load/bin/locust [--jobs 2] [--seconds 20] [--requests 10000]

First a photograph of 0.27 megapixels, then one of 12, at 1, 4 and 16 clients for so many seconds each. Then small
pictures by four clients until so many requests were answered, while hostile clients send bombs, bodies that are too
large and half requests, and a process of the service is killed every few seconds. Clients and service share the cores.
Exit code 1 if a request of a well-behaved client was lost or failed.
"""

import argparse
import csv
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
USERS = Path(__file__).with_name("service_users.py")
PHOTO = ROOT / "docs" / "example" / "rocket.jpg"
KILL_EVERY = 60.0


@contextmanager
def service(jobs: int, log: Path) -> Iterator[tuple[int, int]]:
    """Process id and port of a running service. log: gets its lines."""
    with log.open("w") as lines:
        command = [
            sys.executable,
            "-c",
            "from luxel.cli import main; main()",
            "serve",
            "--port",
            "0",
            "--jobs",
            str(jobs),
        ]
        process = subprocess.Popen(command, stderr=lines)
        while not (found := re.search(r"serving at http://127.0.0.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        port = int(found[1])
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        try:
            yield process.pid, port
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def locust(
    program: str, port: int, picture: Path, clients: int, *, seconds: float = 3600, requests: int = 0
) -> Mapping[str, str]:
    """The line of locust's table about one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "-f", USERS, "--headless", "--host", f"http://127.0.0.1:{port}", "-u", str(clients)]
        command += ["-r", str(clients), "--csv", f"{folder}/run", "--only-summary", "--stop-timeout", "60"]
        command += ["-t", f"{seconds:g}s"]
        environment = {**os.environ, "LOAD_PICTURE": str(picture), "LOAD_REQUESTS": str(requests)}
        environment.pop("PYTHONPATH", None)
        ended = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
        table = Path(folder, "run_stats.csv")
        assert table.exists(), ended.stderr
        with table.open() as file:
            return next((row for row in csv.DictReader(file) if row["Name"] == "assess"), defaultdict(lambda: "0"))


def processes(parent: int) -> list[int]:
    """The service's working processes."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (
                f"\nPPid:\t{parent}\n" in (place / "status").read_text()
                and b"spawn_main" in (place / "cmdline").read_bytes()
            ):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def resident(pid: int) -> float:
    """Megabytes of a process, 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def bombs(folder: Path) -> list[bytes]:
    """Bodies that should cost nobody anything: 3,600 megapixels by header, 49 in 50 kB, too large, damaged, empty."""
    small = folder / "small.png"
    Image.new("RGB", (64, 64)).save(small)
    header = bytearray(small.read_bytes())
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    black = folder / "black.png"
    Image.new("L", (7000, 7000)).save(black)
    return [bytes(header), black.read_bytes(), bytes(65_000_000), PHOTO.read_bytes()[:50_000], b"%PDF-"]


class Hostile:
    """Clients who send bombs, hold half requests and kill processes, until `stop`."""

    def __init__(self, pid: int, port: int, folder: Path) -> None:
        self._pid, self._port, self._bombs = pid, port, bombs(folder)
        self._over = threading.Event()
        self.answers: dict[str, int] = {}
        self.kills = 0
        self._threads = [threading.Thread(target=work) for work in (self._send, self._dawdle, self._kill)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _note(self, answer: str) -> None:
        self.answers[answer] = self.answers.get(answer, 0) + 1

    def _send(self) -> None:
        number = 0
        while not self._over.wait(1.0):
            number += 1
            try:
                body = self._bombs[number % len(self._bombs)]
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/v1/assess", body, timeout=60) as answer:
                    self._note(f"bomb {answer.status}")
            except urllib.error.HTTPError as error:
                self._note(f"bomb {error.code}")
                error.close()
            except OSError as error:
                self._note(f"bomb {type(error).__name__}")

    def _dawdle(self) -> None:
        """Twenty connections that send a byte a second and stop before the end."""
        head = b"POST /v1/assess HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        clients = [socket.create_connection(("127.0.0.1", self._port)) for _ in range(20)]
        for client in clients[:10]:
            client.sendall(head)
        while clients and not self._over.wait(1.0):
            for client in list(clients):
                try:
                    client.sendall(b"x")
                except OSError:
                    clients.remove(client)
                    client.close()
                    self._note("slow client ended by the service")
        for client in clients:
            client.close()

    def _kill(self) -> None:
        while not self._over.wait(KILL_EVERY):
            if victims := processes(self._pid):
                os.kill(victims[self.kills % len(victims)], signal.SIGKILL)
                self.kills += 1


def watched(pid: int, over: threading.Event, found: list[tuple[float, float]]) -> None:
    """Megabytes of the serving process and of the largest working one, once a second."""
    while not over.wait(1.0):
        found.append((resident(pid), max(map(resident, processes(pid)), default=0.0)))


def counted(port: int, hostile: dict[str, int]) -> dict[str, int]:
    """Answers by status as the service counted them, without those to bombs."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r'luxel_serve_requests_total\{method="POST",route="/v1/assess",status="(\w+)"\} (\S+)', text)
    return {status: int(float(number)) - hostile.get(f"bomb {status}", 0) for status, number in found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locust", default="locust", help="the program")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which the small requests end")
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, small = folder / "large.jpg", folder / "small.jpg"
        with Image.open(PHOTO) as photo:
            photo.convert("RGB").resize((4240, 2830), Image.Resampling.BICUBIC).save(large, quality=92)
            photo.convert("RGB").resize((160, 107)).save(small, quality=90)
        with service(options.jobs, folder / "log") as (pid, port):
            print(
                "| picture | clients | requests/s | median ms | 95 % | 99 % | failed |\n|---|--:|--:|--:|--:|--:|--:|"
            )
            for what, picture in (("0.27 megapixels", PHOTO), ("12 megapixels", large)):
                for clients in (1, 4, 16):
                    row = locust(options.locust, port, picture, clients, seconds=options.seconds)
                    failures += int(row["Failure Count"])
                    print(
                        f"| {what} | {clients} | {float(row['Requests/s']):.1f} | {row['50%']} | {row['95%']} | "
                        f"{row['99%']} | {row['Failure Count']} of {row['Request Count']} |",
                        flush=True,
                    )
        with service(options.jobs, folder / "log") as (pid, port):
            over, memory = threading.Event(), []
            watcher = threading.Thread(target=watched, args=(pid, over, memory))
            watcher.start()
            locust(options.locust, port, small, 4, requests=200)  # warm
            memory.clear()
            hostile = Hostile(pid, port, folder)
            begun = time.monotonic()
            row = locust(options.locust, port, small, 4, requests=options.requests, seconds=options.limit)
            seconds = time.monotonic() - begun
            hostile.stop()
            over.set()
            watcher.join()
            failures += int(row["Failure Count"])
            quarter = max(1, len(memory) // 4)
            first, last = memory[:quarter], memory[-quarter:]
            print(
                f"\n{row['Request Count']} small requests in {seconds:.0f} s, {row['Failure Count']} failed; median "
                f"{row['50%']} ms, 99 % {row['99%']} ms; {hostile.kills} processes killed; "
                f"hostile clients: {json.dumps(hostile.answers)}"
            )
            for place, what in ((0, "serving process"), (1, "largest working process")):
                a, b = (statistics.median(sample[place] for sample in part) for part in (first, last))
                top = max(sample[place] for sample in memory)
                print(
                    f"{what}: {a:.0f} MB in the first quarter, {b:.0f} MB in the last (medians), {top:.0f} MB at most"
                )
            print(f"answers as the service counted them, without those to bombs: {counted(port, hostile.answers)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
