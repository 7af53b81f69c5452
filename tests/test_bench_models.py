"""The models that are large in one way, and the limits that kernels are held against."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import bundles
from graphs import GRAPHS, write_large
from kernels import Measured, summary


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("nodes", [20, 50])
def test_a_graph_has_the_nodes_that_were_asked_for(kind: str, nodes: int) -> None:
    model = GRAPHS[kind](nodes)
    onnx.checker.check_model(model, full_check=True)
    assert len([node for node in model.graph.node if node.op_type != "Constant"]) == nodes


def test_weights_of_a_large_model_lie_beside_it(tmp_path: Path) -> None:
    model = write_large(tmp_path, nbytes=3 * 64 * 64 * 4, width=64)
    assert (tmp_path / "large.weights").stat().st_size == 3 * 64 * 64 * 4
    assert model.stat().st_size < 10_000
    built = bundles.build(model, tmp_path / "large.neff", dims={"batch": 1})
    assert built.figures["flops"] == 3 * (2 * 64 * 64 + 64)


def kernel(flops: float, nbytes: float, seconds: float) -> dict[str, object]:
    return {
        "name": "k0",
        "calls": 1,
        "flops": flops,
        "bytes": nbytes,
        "limit": "f32",
        "seconds": seconds,
        "waiting": 0.0,
        "of_peak": flops / seconds / 100e9,
    }


def test_the_limits_of_a_network_are_those_of_its_arithmetic_and_its_bytes() -> None:
    product, copy = kernel(100e6, 1e6, 2e-3), kernel(0, 40e6, 4e-3)
    peaks = {"f32": 100e9, "copy": 20e9}
    network = Measured("net", 1, 6e-3, peaks, [product], [copy], weights_bytes=10_000_000)
    assert network.products_limit == pytest.approx(1e-3)
    assert network.weights_limit == pytest.approx(0.5e-3)
    assert network.kernels_limit == pytest.approx(3e-3)
    assert list(summary([network]))[-1] == (
        "| net | 1 | 6.00 | 1.00 | 17% | 0.50 | 3.00 | 2.00 | 4.00 | 50% | 100 | 20.0 |"
    )
