"""`luxel serve`: the HTTP service."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.console import note, require, say
from luxel.cli.options import (
    HeadOption,
    LimitOption,
    MaxMegapixelsOption,
    NetworkOptions,
    PaletteOption,
    ThresholdOption,
    with_groups,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningOptions:
    """Where the service listens, and how it ends."""

    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.", min=0, max=65535)] = 8080
    connections: Annotated[int, typer.Option(help="Connections open at once.", min=1, metavar="N")] = 1000
    grace: Annotated[
        int, typer.Option(help="Seconds for requests in work once the service is stopped.", min=0, metavar="SECONDS")
    ] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOptions:
    """How much is worked on, and for how long."""

    jobs: Annotated[
        int, typer.Option(help="Pictures at a time, each in its own process; 0: one per usable core.", min=0)
    ] = 0
    timeout: Annotated[
        float, typer.Option(help="Seconds that one picture may take in its process.", min=0.1, metavar="SECONDS")
    ] = 10.0
    queue: Annotated[int, typer.Option(help="Pictures that wait or are in work; more are answered 429.", min=1)] = 64
    batch: Annotated[int, typer.Option(help="Pictures of one request.", min=1)] = 32
    max_body: Annotated[int, typer.Option(help="Megabytes of one request; more are answered 413.", min=1)] = 64
    max_buffered: Annotated[int, typer.Option(help="Megabytes of all requests in memory.", min=1)] = 512
    upload_timeout: Annotated[
        float, typer.Option(help="Seconds within which a request must arrive.", min=0.1, metavar="SECONDS")
    ] = 30.0
    max_megapixels: MaxMegapixelsOption = 50.0


@with_groups
def serve(
    *,
    listening: ListeningOptions,
    work: WorkOptions,
    allow_url: Annotated[
        list[str] | None,
        typer.Option(help="Folder of URLs that may be fetched. Repeatable; default: none.", metavar="URL"),
    ] = None,
    criteria: Annotated[
        list[Path] | None,
        typer.Option(help="Criteria file that requests may name. Repeatable.", metavar="FILE"),
    ] = None,
    threshold: ThresholdOption = 0.2,
    palette: PaletteOption = "red-blue",
    limit: LimitOption = 0.5,
    network: NetworkOptions,
    head: HeadOption = None,
) -> None:
    """Serve assessments, maps and scores over HTTP until SIGTERM or Ctrl-C.

    Every option can also be set by a variable: LUXEL_SERVE_PORT=80 is --port 80. Each request is a line of JSON on
    stderr. A page to drop a photo on is at /, the description of the interface at /openapi.json.

    \b
    Examples:
      luxel serve
      luxel serve --host 0.0.0.0 --port 80 --jobs 4
      luxel serve --allow-url https://photos.example/shop/ --criteria my-criteria.toml
      curl -F image=@photo.jpg http://127.0.0.1:8080/v1/assess

    Exit code: 0 stopped by SIGTERM, 2 wrong usage, or no process can work, 130 stopped by Ctrl-C.
    """
    require("serve", "luxel serve")
    from luxel.assessment.batch import Settings
    from luxel.errors import LuxelError
    from luxel.images import ReadOptions
    from luxel.jobs.cores import process_count
    from luxel.serve.options import MEGABYTE, ServiceOptions
    from luxel.serve.run import Reach, serve_pictures

    own = {path.stem: path for path in criteria or ()}
    if len(own) < len(criteria or ()):
        raise LuxelError("--criteria: two files have the same name; requests name them by it, so rename one")
    options = ServiceOptions(
        settings=Settings(
            weights=network.weights,
            backend=network.backend,
            device=network.device,
            threshold=threshold,
            palette=palette,
            limit=limit,
            head=head,
            reading=ReadOptions(max_megapixels=work.max_megapixels),
        ),
        workers=process_count(work.jobs, 1000),
        timeout=work.timeout,
        queue=work.queue,
        batch=min(work.batch, work.queue),
        max_body=work.max_body * MEGABYTE,
        max_buffered=work.max_buffered * MEGABYTE,
        upload_timeout=work.upload_timeout,
        allowed_urls=tuple(allow_url or ()),
        criteria=own,
    )
    reach = Reach(host=listening.host, port=listening.port, connections=listening.connections, grace=listening.grace)
    serve_pictures(options, reach, say=say, log=note)
