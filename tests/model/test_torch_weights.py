"""Weights in ONNX serve torch too: the same numbers to the bit."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")
onnx = pytest.importorskip("onnx", reason="needs luxel[train]")

from luxel.assessment.weights import locate  # noqa: E402
from luxel.errors import WeightsError  # noqa: E402
from luxel.model.export import ARCHITECTURE, _add_folded, largest_difference  # noqa: E402
from luxel.model.network import PIEANet, build  # noqa: E402
from luxel.model.weights import architecture, load_into, load_model, save_weights  # noqa: E402

SMALL = {"structure_widths": (4, 6, 8), "lightness_widths": (4, 6, 8, 10), "prediction_width": 5}


def made(**options: object) -> PIEANet:
    torch.manual_seed(3)
    return build(**{**SMALL, **options}).eval()


def write_graph(network: PIEANet, path: Path, *, without: str) -> None:
    """An ONNX file as an exporter that folds much leaves it: of three parameters one stays, one goes, one changes."""
    kept = []
    for number, (name, value) in enumerate(network.state_dict().items()):
        array = value.numpy()
        if number % 3:
            kept.append(onnx.numpy_helper.from_array(array if number % 3 == 1 else array.ravel() + 1, name))
    kept.append(onnx.numpy_helper.from_array(network.predict.last.weight.detach().numpy(), "val_1"))
    model = onnx.helper.make_model(onnx.helper.make_graph([], "graph", [], [], initializer=kept))
    _add_folded(model, network)
    model.metadata_props.add(key=ARCHITECTURE, value=architecture(network, wavelet="haar", without=without))
    onnx.save(model, path)


@pytest.mark.parametrize("without", ["none", "structure"])
def test_onnx_and_safetensors_hold_the_same_bits(tmp_path: Path, without: str) -> None:
    network = made(without=without)
    write_graph(network, tmp_path / "a.onnx", without=without)
    save_weights(network, tmp_path / "a.safetensors", wavelet="haar", without=without)
    other = made(without="lightness" if without == "none" else "none")
    for name in ("a.onnx", "a.safetensors"):
        read = load_model(tmp_path / name).state_dict()
        assert list(read) == list(network.state_dict())
        assert all(torch.equal(read[key], value) for key, value in network.state_dict().items())
        with pytest.raises(WeightsError, match=r"weights of another network .*; use the recipe they came with"):
            load_into(other, tmp_path / name)


def test_the_shipped_file_serves_both_engines() -> None:
    assert largest_difference(load_model(), locate()) < 1e-5


def test_files_that_are_not_weights(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"bad\.onnx: not an ONNX file"):
        load_model(bad)
    model = onnx.load(locate())
    model.metadata_props.add(key="folded_parameters", value='["?"]')
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(WeightsError, match="its parameters cannot be read"):
        load_model(tmp_path / "damaged.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(WeightsError, match="no luxel architecture"):
        load_model(tmp_path / "bare.onnx")
    model.metadata_props.add(key=ARCHITECTURE, value='{"wavelet": "haar"}')
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(WeightsError, match=r"its architecture is not one of luxel's \('without'\)"):
        load_model(tmp_path / "odd.onnx")
