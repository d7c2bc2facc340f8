"""Files of torch that are damaged, or hold more than tensors: one line, without torch's advice, and nothing is run."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

from luxel.errors import LuxelError, WeightsError  # noqa: E402
from luxel.model.released import load_released  # noqa: E402
from luxel.model.torch_files import read_torch  # noqa: E402
from luxel.train.checkpoint import load_checkpoint  # noqa: E402


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


def evil(path: Path, how: str) -> Path:
    content = Runs(path.with_name("ran"))
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    elif how == "old torch":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        torch.save({"weights": content} if how == "inside" else content, path)
    return path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", ["pickle", "torch", "old torch", "inside"])
@pytest.mark.parametrize("read", [load_released, load_checkpoint, lambda p: read_torch(p, remedy="x")])
def test_code_is_never_run_nor_recommended(
    how: str, read: Callable[[Path], object], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = evil(tmp_path / "evil.pth", how)
    with pytest.raises(LuxelError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 200 + len(str(path))
    assert not {"weights_only", "torch.load", "trust", "PyTorch"} & set(line.replace("`", " ").split())
    assert not (tmp_path / "ran").exists()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02.", b"text", bytes(5000)])
def test_damaged_files_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth: .*; get it again$"):
        read_torch(tmp_path / "a.pth", remedy="get it again")
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    with pytest.raises(WeightsError):
        read_torch(tmp_path / "b.pth", remedy="get it again")


def test_plain_state_is_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "a.pth")
    state = read_torch(tmp_path / "a.pth", remedy="x")
    assert isinstance(state, dict)
    assert state["a"].sum() == 3
