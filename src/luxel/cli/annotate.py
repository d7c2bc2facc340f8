"""`luxel annotate`: the application for experts, and what its leader does from the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from luxel.cli.console import Progress, put, require, say
from luxel.cli.options import ReadersLimitOption, with_groups


class _ServesByDefault(TyperGroup):
    """A group whose first word may be a dataset's folder instead of a command: then it is served."""

    default_command = "serve"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [self.default_command, *args]
        return super().resolve_command(ctx, args)


annotate = typer.Typer(cls=_ServesByDefault, no_args_is_help=True, rich_markup_mode=None)

ProjectArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset's folder.", show_default=False)]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        help="Address of the database, e.g. postgresql://USER@HOST/NAME; default: SQLite in the dataset's folder.",
        metavar="URL",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachOptions:
    """How a server is reached."""

    host: Annotated[str, typer.Option(help="Address to listen on.", metavar="ADDRESS")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8765
    https: Annotated[bool, typer.Option("--https", help="A proxy serves it over TLS: cookies are for TLS only.")] = (
        False
    )
    host_name: Annotated[
        list[str] | None,
        typer.Option(help="Name under which browsers reach it. Repeatable; default: any.", show_default=False),
    ] = None
    user_header: Annotated[
        str, typer.Option(help="Header in which a proxy says who logged in, in place of passwords.", metavar="NAME")
    ] = ""
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address of the proxy whose header counts. Repeatable; default: this machine."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOptions:
    """What people are asked for; what is not given stays as the project has it."""

    tasks: Annotated[
        Literal["reference", "residual", "both"] | None,
        typer.Option(help="Tasks that are handed out.", show_default=False),
    ] = None
    replicas: Annotated[int | None, typer.Option(help="People per task.", min=1, max=50, show_default=False)] = None
    level: Annotated[
        list[str] | None,
        typer.Option(help="Frames whose maps are corrected, e.g. P0. Repeatable; default: all.", show_default=False),
    ] = None
    calibration: Annotated[
        list[str] | None,
        typer.Option(help="Scene that ten people see. Repeatable.", metavar="SCENE", show_default=False),
    ] = None
    gold_share: Annotated[
        float | None,
        typer.Option(help="Share of hidden tasks with a known answer.", min=0, max=0.5, show_default=False),
    ] = None


@annotate.callback()
def _about() -> None:
    """Let experts set zones on references and correct residual maps, in the browser.

    \b
    Examples:
      luxel annotate data
      luxel annotate invite data anna
      luxel annotate write data
    """


@annotate.command()
@with_groups
def serve(
    dataset: ProjectArgument,
    *,
    database: DatabaseOption = None,
    reach: ReachOptions,
    project: ProjectOptions,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Serve a dataset's folder to the browsers of its experts until Ctrl-C.

    The first start prints a link that makes the first administrator.

    \b
    Examples:
      luxel annotate data
      luxel annotate serve data --host 0.0.0.0 --host-name lab.example --https
      luxel annotate serve data --database postgresql://luxel@localhost/project --replicas 5
    """
    require("annotate", "luxel annotate")
    from luxel.annotate.run import Address, serve_project
    from luxel.annotate.server.context import ServerOptions

    options = ServerOptions(
        https=reach.https,
        host_names=tuple(reach.host_name or ()),
        user_header=reach.user_header,
        proxies=tuple(reach.proxy) if reach.proxy else ServerOptions().proxies,
    )
    changes = {
        "kinds": {None: None, "both": ("reference", "residual")}.get(project.tasks, (project.tasks,)),
        "replicas": project.replicas,
        "levels": tuple(project.level) if project.level else None,
        "calibration": tuple(project.calibration) if project.calibration else None,
        "gold_share": project.gold_share,
    }
    with Progress("preparing scenes") as progress:
        serve_project(
            dataset,
            Address(host=reach.host, port=reach.port, server=options),
            database_url=database,
            changes={name: value for name, value in changes.items() if value is not None},
            progress=progress.advance,
            say=say,
        )


@annotate.command()
def invite(
    dataset: ProjectArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person's name.", show_default=False)],
    role: Annotated[Literal["annotator", "adjudicator", "admin"], typer.Option(help="What the person may do.")] = (
        "annotator"
    ),
    database: DatabaseOption = None,
    at: Annotated[str, typer.Option(help="Address of the server, for the link.", metavar="URL")] = (
        "http://127.0.0.1:8765"
    ),
) -> None:
    """Print a link with which one person makes their account.

    \b
    Examples:
      luxel annotate invite data anna
      luxel annotate invite data carla --role adjudicator --at https://lab.example
    """
    require("annotate", "luxel annotate invite")
    from luxel.annotate.run import invite_person, open_database

    put(f"{at.rstrip('/')}/invitation/{invite_person(open_database(dataset, database), name, role)}")


@annotate.command()
def account(
    dataset: ProjectArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that the proxy sends.", show_default=False)],
    role: Annotated[Literal["annotator", "adjudicator", "admin"], typer.Option(help="What the person may do.")] = (
        "annotator"
    ),
    database: DatabaseOption = None,
) -> None:
    """Make an account without a password, for people whom a proxy logs in.

    \b
    Examples:
      luxel annotate account data anna@lab.example --role admin
    """
    require("annotate", "luxel annotate account")
    from luxel.annotate.run import add_account, open_database

    add_account(open_database(dataset, database), name, role)
    say(f"{name} has an account as {role}")


@annotate.command()
def write(
    dataset: ProjectArgument,
    database: DatabaseOption = None,
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Write accepted work into the dataset: zone decisions, expert layers, labels, agreement.

    \b
    Examples:
      luxel annotate write data

    Exit code: 0 done, 1 something was left out, 2 wrong usage.
    """
    require("annotate", "luxel annotate write")
    from luxel.annotate.run import open_database
    from luxel.annotate.write_back import RECORD, write_back

    with Progress("labelling") as progress:
        written = write_back(open_database(dataset, database), dataset, progress=progress.advance)
    for line in written.notes:
        say(line)
    put(
        f"{dataset}: {written.references} references and {written.layers} layers written, "
        f"{written.changed} residual maps changed; agreement is in {RECORD}"
    )
    raise typer.Exit(1 if written.notes else 0)


@annotate.command()
def backup(
    dataset: ProjectArgument,
    out: Annotated[Path, typer.Option(help="The archive.", metavar="FILE.zip", show_default=False)],
    database: DatabaseOption = None,
) -> None:
    """Write the whole project into one file, while people work.

    \b
    Examples:
      luxel annotate backup data --out monday.zip
    """
    require("annotate", "luxel annotate backup")
    from luxel.annotate.run import open_database
    from luxel.annotate.store.archive import back_up

    counts = back_up(open_database(dataset, database), out)
    put(f"{out}: {counts['operation']} operations, {counts['submission']} submissions, {counts['person']} people")


@annotate.command()
def restore(
    dataset: ProjectArgument,
    archive: Annotated[Path, typer.Argument(metavar="FILE.zip", help="An archive of backup.", show_default=False)],
    database: DatabaseOption = None,
) -> None:
    """Fill a new database from an archive; every log is checked.

    \b
    Examples:
      luxel annotate restore data monday.zip
      luxel annotate restore data monday.zip --database postgresql://luxel@localhost/project
    """
    require("annotate", "luxel annotate restore")
    from luxel.annotate.run import open_database
    from luxel.annotate.store.archive import restore_archive

    counts = restore_archive(open_database(dataset, database), archive)
    put(f"{archive}: {counts['operation']} operations, {counts['submission']} submissions restored")


@annotate.command(name="import")
def import_masks(
    dataset: ProjectArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Export of the program; labelme: also a folder.", show_default=False)
    ],
    program: Annotated[
        Literal["label-studio", "cvat", "labelme"], typer.Option("--from", help="Program.", show_default=False)
    ],
    by: Annotated[str, typer.Option(help="Whose work it is.", metavar="NAME", show_default=False)],
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Import masks with a value as one person's expert layers.

    A value is a residual from -1 to 1: a number of the region, or what its label ends with.

    \b
    Examples:
      luxel annotate import data export.json --from label-studio --by anna
      luxel dataset label data
    """
    require("annotate", "luxel annotate import")
    from datetime import UTC, datetime

    from luxel.annotate.exchange.transfer import import_regions

    layers = import_regions(dataset, file, program, by, datetime.now(UTC))
    put(f"{dataset}: {layers} layers by {by}; luxel dataset label merges them")


@annotate.command()
def export(
    dataset: ProjectArgument,
    out: Annotated[Path, typer.Option(help="New folder.", metavar="DIR", show_default=False)],
    program: Annotated[
        Literal["label-studio", "cvat", "labelme"], typer.Option("--to", help="Program.", show_default=False)
    ],
    max_megapixels: ReadersLimitOption = 200.0,
) -> None:
    """Export frames and the outlines of their blocks for another program.

    \b
    Examples:
      luxel annotate export data --out frames --to labelme
    """
    require("annotate", "luxel annotate export")
    from luxel.annotate.exchange.transfer import export_frames

    frames = export_frames(dataset, out, program)
    put(f"{out}: {frames} frames for {program}")
