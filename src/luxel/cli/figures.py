"""`luxel figures`: the paper's figures of the method, drawn from your own pictures."""

from pathlib import Path
from typing import Annotated

import typer

from luxel.cli.console import note, output_folder, put, require, say, track
from luxel.cli.options import PathsArgument, RecursiveOption
from luxel.errors import LuxelError

figures = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

PictureArgument = Annotated[
    Path, typer.Argument(metavar="PICTURE", help="Any picture luxel reads.", show_default=False)
]
OutOption = Annotated[Path, typer.Option(help="Folder for the PNG and PDF files.", metavar="DIR")]
SideOption = Annotated[int, typer.Option(help="Short side that the picture is brought to, in pixels.", min=16)]


@figures.callback()
def _about() -> None:
    """Draw the paper's figures of the method from your own pictures, each as PNG and PDF.

    \b
    Examples:
      luxel figures swap photo.jpg
      luxel figures tsne photos --recursive --count 200
      luxel figures features photo.jpg --out figures
    """


@figures.command()
def swap(
    picture: PictureArgument,
    *,
    dark: Annotated[float, typer.Option(help="Stops of the darker exposure.", metavar="EV")] = -2.0,
    bright: Annotated[float, typer.Option(help="Stops of the brighter exposure.", metavar="EV")] = 2.0,
    wavelet: Annotated[str, typer.Option(help="haar, or another orthogonal wavelet.")] = "haar",
    levels: Annotated[int, typer.Option(help="Levels of the transform; the paper shows one.", min=1)] = 1,
    short_side: SideOption = 512,
    out: OutOption = Path("figures"),
) -> None:
    """Exchange the low bands of two exposures of a picture (Fig. 3 a-d).

    Writes swap.png and swap.pdf: both exposures, and what they become with each other's low band. The number beside
    them is the share of the difference in lightness that goes with the low band.

    \b
    Examples:
      luxel figures swap photo.jpg
      luxel figures swap photo.jpg --dark -3 --bright 3 --levels 3
    """
    require("figures", "luxel figures")
    if not dark < bright:
        raise typer.BadParameter(f"{dark:g} is not below --bright {bright:g}", param_hint="--dark")
    from luxel.figures import sheet
    from luxel.figures.swap import draw_swap, picture_frames, swap_bands

    with output_folder(out, [picture]):
        frames = picture_frames(picture, (dark, bright), short_side)
        exchanged = swap_bands(frames[0], frames[1], wavelet=wavelet, levels=levels)
        written = sheet.save(draw_swap(exchanged, evs=(dark, bright), levels=levels), out, "swap")
    put(f"{exchanged.followed:.1%} of the difference in lightness goes with the low band ({wavelet}, levels: {levels})")
    note(f"wrote {', '.join(str(path) for path in written)}")


@figures.command()
def tsne(
    paths: PathsArgument,
    *,
    count: Annotated[int, typer.Option(help="Pictures at most, spread over what is found.", min=1)] = 200,
    ev: Annotated[list[float] | None, typer.Option(help="Stops of an exposure. Repeatable. Default: -3, 0, 3.")] = None,
    recursive: RecursiveOption = False,
    out: OutOption = Path("figures"),
) -> None:
    """Lay out the low and high bands of many exposures by t-SNE (Fig. 3 e).

    Writes tsne.png and tsne.pdf. The numbers beside them are the share of the variance of each band's coefficients that
    lies between exposures: near 1 where a band is the exposure, near 0 where it does not change with it.

    \b
    Examples:
      luxel figures tsne photos
      luxel figures tsne photos --count 100 --ev -4 --ev -2 --ev 0 --ev 2 --ev 4
    """
    require("figures", "luxel figures")
    from luxel import images
    from luxel.errors import ImageError
    from luxel.figures import sheet
    from luxel.figures.embedding import MIN_PICTURES, draw_embedding, embed, exposures_of
    from luxel.jobs.find import find

    evs = ev or [-3.0, 0.0, 3.0]
    found = find(paths, endings=images.SUFFIXES, recursive=recursive, warn=say)
    chosen = [found[i * len(found) // min(count, len(found))].path for i in range(min(count, len(found)))]
    with output_folder(out, chosen):
        frames, readable = [], 0
        for path in track(chosen, len(chosen), "pictures"):
            try:
                frames += exposures_of(path, evs)
                readable += 1
            except ImageError as error:
                say(str(error))
        if readable < MIN_PICTURES:
            raise LuxelError(f"{readable} readable pictures; give at least {MIN_PICTURES}")
        low, high = embed(frames)
        written = sheet.save(draw_embedding(low, high), out, "tsne")
    put(
        f"{readable} pictures at {', '.join(f'{level:+g}' for level in evs)} EV",
        f"variance explained by exposure: {low.explained:.1%} in the low band, {high.explained:.1%} in the high bands",
    )
    note(f"wrote {', '.join(str(path) for path in written)}")
    if readable < len(chosen):
        raise typer.Exit(1)


@figures.command()
def features(
    picture: PictureArgument,
    *,
    weights: Annotated[
        Path | None, typer.Option(help="Weights that luxel wrote, instead of the shipped ones.", metavar="FILE")
    ] = None,
    short_side: SideOption = 256,
    out: OutOption = Path("figures"),
) -> None:
    """Show what the parts of P-IEANet make of a picture (Fig. 5).

    Writes features.png and features.pdf: long- and short-range features, pixel attention, channel weights, and the map.

    \b
    Examples:
      luxel figures features photo.jpg
      luxel figures features photo.jpg --weights runs/mine/pieanet.onnx
    """
    require("figures", "luxel figures")
    from luxel.figures import sheet
    from luxel.figures.features import draw_features
    from luxel.figures.features import features as features_of
    from luxel.figures.swap import picture_frames
    from luxel.model.weights import load_model

    with output_folder(out, [picture]):
        image = picture_frames(picture, (0.0,), short_side)[0]
        found = features_of(load_model(weights), image)
        written = sheet.save(draw_features(found), out, "features")
    first, last = (values.tolist() for values in found.channel_weights)
    put(
        f"channel weights, first stage: {min(first):.2f} to {max(first):.2f}; last: {min(last):.2f} to {max(last):.2f}",
        f"pixel attention: {found.pixel_attention.min():.2f} to {found.pixel_attention.max():.2f}",
    )
    note(f"wrote {', '.join(str(path) for path in written)}")
