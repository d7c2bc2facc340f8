"""Images with their maps through a DataLoader."""

import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs luxel[torch]")
from torch.utils.data import DataLoader  # noqa: E402

from luxel import images  # noqa: E402
from luxel.assessment.assessor import Assessor  # noqa: E402
from luxel.model.residual_dataset import ResidualDataset, collate  # noqa: E402
from stand_ins.onnx_files import grey_target  # noqa: E402


@pytest.fixture
def dataset(tmp_path: Path) -> ResidualDataset:
    for number, size in enumerate([(40, 60), (60, 40), (40, 60)]):
        images.write(tmp_path / f"{number}.png", np.full((*size, 3), 40 * number, np.uint8))
    (tmp_path / "3.png").write_bytes(b"")
    assessor = Assessor(grey_target(tmp_path / "grey.onnx"), backend="onnxruntime")
    return ResidualDataset([tmp_path / f"{number}.png" for number in range(4)], assessor=assessor)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_gives_padded_batches_with_masks(dataset: ResidualDataset, workers: int) -> None:
    (batch,) = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=collate)
    assert batch["image"].shape == (3, 3, 60, 60)
    assert batch["residual"].shape == batch["mask"].shape == (3, 1, 60, 60)
    assert batch["mask"].sum(dim=(1, 2, 3)).tolist() == [2400] * 3
    assert [Path(path).name for path in batch["path"]] == ["0.png", "1.png", "2.png"]
    ((path, reason),) = batch["errors"]
    assert Path(path).name == "3.png"
    assert "is empty" in reason
    expected = 0.5 - batch["image"].mean(dim=1, keepdim=True)
    assert torch.allclose(batch["residual"], expected * batch["mask"], atol=1e-5)
    assert batch["score"].shape == (3,)


def test_a_used_dataset_pickles_without_its_engine(dataset: ResidualDataset) -> None:
    first = dataset[0]
    again = pickle.loads(pickle.dumps(dataset))[0]
    assert torch.equal(first["residual"], again["residual"])


def test_a_batch_of_errors_has_no_tensors() -> None:
    assert collate([{"path": "a", "error": "is empty"}]) == {"path": [], "errors": [("a", "is empty")]}
