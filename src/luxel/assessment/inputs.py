"""What `assess` takes beside paths: stored files in memory, NumPy arrays and torch tensors."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from luxel.errors import ImageError
from luxel.text import printable

if TYPE_CHECKING:
    from typing import BinaryIO, TypeAlias

    import torch
    from PIL import Image

    ImageInput: TypeAlias = (
        str
        | os.PathLike[str]
        | bytes
        | bytearray
        | memoryview
        | BinaryIO
        | Image.Image
        | npt.NDArray[Any]
        | torch.Tensor
    )


def stored_bytes(image: object) -> bytes | None:
    """The content of a picture file given as bytes or as a binary file object, which is read from where it stands.

    Returns None for anything else. Raises ImageError for a text file or one that cannot be read.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not hasattr(image, "read"):
        return None
    try:
        data = image.read()
    except (OSError, ValueError) as error:
        raise ImageError(f"{type(image).__name__} object: cannot be read ({error}); give an open file") from error
    if not isinstance(data, bytes):
        raise ImageError(f"{type(image).__name__} object: gives {type(data).__name__}; open the file in binary mode")
    return data


@contextmanager
def as_file(data: bytes) -> Iterator[Path]:
    """A file with these bytes, removed afterwards: decoders of camera RAW and TIFF read files only.

    An ImageError about it, raised inside, names the data and not the file.
    """
    with tempfile.TemporaryDirectory(prefix="luxel-") as folder:
        path = Path(folder) / "image"
        path.write_bytes(data)
        try:
            yield path
        except ImageError as error:
            raise ImageError(str(error).replace(printable(path), f"{len(data)} bytes")) from error


def array_of(image: object) -> npt.NDArray[Any]:
    """An array or a tensor as an array [H, W, 3] in its own type; what it cannot be is left to be checked.

    image: NumPy [H, W] or [H, W, 1] (grey, repeated to three channels), [H, W, 3], or [H, W, 4] (straight alpha,
        composited on white in the encoding); or a torch tensor [C, H, W] with 1, 3 or 4 such channels, float in [0, 1]
        or uint8, on any device.
    Raises ImageError for any other object.
    """
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    if torch is not None and isinstance(image, torch.Tensor):
        image = _tensor_array(image)
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"{type(image).__name__} object: give a path, bytes, a binary file, a PIL image, a NumPy array "
            "[H, W, 3] or a torch tensor [3, H, W]"
        )
    array = image.astype(image.dtype.newbyteorder("="), copy=False)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    if array.ndim == 3 and array.shape[2] == 4 and (array.dtype in (np.uint8, np.uint16) or array.dtype.kind == "f"):
        from luxel.images.colour import spaces

        return np.ascontiguousarray(spaces.over_white(array.copy(), "straight"))
    return array


def _tensor_array(tensor: "torch.Tensor") -> npt.NDArray[Any]:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        raise ImageError(
            f"tensor of shape {list(tensor.shape)}: give one image [C, H, W] with 1, 3 or 4 channels (of a batch: "
            "one after the other)"
        )
    if tensor.is_floating_point():
        tensor = tensor.float()
    elif str(tensor.dtype) != "torch.uint8":
        raise ImageError(f"tensor of {tensor.dtype}: give float in [0, 1] or uint8")
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy().transpose(1, 2, 0)
    return array
