"""Which products are not rounded by default."""

from __future__ import annotations

import pytest

from ncc.ir.ops.conv import Conv
from ncc.ir.ops.matmul import MatMul
from ncc.ir.text.parser import parse
from ncc.passes.sensitive import sensitive


def spared(text: str) -> list[int]:
    """The places of the spared ones among the products of a graph."""
    graph = parse(text)
    products = [node for node in graph.nodes if isinstance(node.op, Conv | MatMul)]
    kept = sensitive(graph)
    return [place for place, node in enumerate(products) if node in kept]


@pytest.mark.parametrize(("terms", "kept"), [(1, [0]), (32, [0]), (33, []), (512, [])])
def test_a_sum_of_few_terms_is_spared(terms: int, kept: list[int]) -> None:
    text = f"""graph @g(%x: f32[8, {terms}]) {{
      %0 = weight "w" : f32[{terms}, 4]
      %1 = matmul(%x, %0)
      return %1
    }}"""
    assert spared(text) == kept


@pytest.mark.parametrize(("terms", "kept"), [(16, [0]), (17, [])])
def test_scores_of_heads_are_spared_up_to_16_terms(terms: int, kept: list[int]) -> None:
    text = f"""graph @g(%q: f32[3, 8, {terms}], %k: f32[3, {terms}, 9]) {{
      %0 = matmul(%q, %k)
      %1 = relu(%0)
      return %1
    }}"""
    assert spared(text) == kept


def test_a_depthwise_convolution_is_not_a_sum_of_few_terms() -> None:
    text = """graph @g(%x: f32[1, 16, 9, 9]) {
      %0 = weight "w" : f32[16, 1, 3, 3]
      %1 = conv(%x, %0) {strides = [1, 1], low = [1, 1], high = [1, 1],
                         dilations = [1, 1], groups = 16}
      return %1
    }"""
    assert spared(text) == []


CHAIN = """graph @g(%x: f32[8, 64]) {{
  %0 = weight "a" : f32[64, 64]
  %1 = weight "b" : f32[64, 64]
  %2 = matmul(%x, %0)
  %3 = {between}
  %4 = matmul(%3, %1)
  %5 = relu(%4)
  %6 = matmul(%5, %1)
  return %6
}}"""


def test_a_filter_bank_is_spared_up_to_what_is_not_linear() -> None:
    assert spared(CHAIN.format(between="neg(%2)")) == [0, 1]
    assert spared(CHAIN.format(between="relu(%2)")) == []


BANK = """graph @g(%x: f32[1, {channels}, 90, 90]) {{
  %0 = weight "a" : f32[64, {channels}, 9, 9]
  %1 = weight "b" : f32[{channels}, {channels}, 9, 9]
  %2 = weight "c" : f32[8, {channels}, 9, 9]
  %3 = conv(%x, %1) {{strides = [1, 1], low = [0, 0], high = [0, 0],
                     dilations = [1, 1], groups = 1}}
  %4 = conv(%3, %2) {{strides = [1, 1], low = [0, 0], high = [0, 0],
                     dilations = [1, 1], groups = 1}}
  %5 = relu(%4)
  %6 = conv(%x, %0) {{strides = [1, 1], low = [0, 0], high = [0, 0],
                     dilations = [1, 1], groups = 1}}
  %7 = relu(%6)
  return %5, %7
}}"""


@pytest.mark.parametrize(("channels", "kept"), [(1, [0, 1]), (4, [0, 1]), (5, [])])
def test_convolutions_of_signals_are_spared_where_one_follows_another(
    channels: int, kept: list[int]
) -> None:
    assert spared(BANK.format(channels=channels)) == kept


@pytest.mark.parametrize(("rows", "kept"), [(1, [0]), (4, [0]), (5, [])])
def test_few_rows_by_a_computed_matrix_are_spared(rows: int, kept: list[int]) -> None:
    text = f"""graph @g(%x: f32[3, {rows}, 64], %y: f32[3, 64, 80]) {{
      %0 = matmul(%x, %y)
      %1 = relu(%0)
      return %1
    }}"""
    assert spared(text) == kept


@pytest.mark.parametrize(("rows", "kept"), [(6, [0]), (7, [])])
def test_few_rows_by_integers_in_blocks_are_spared(rows: int, kept: list[int]) -> None:
    text = f"""graph @g(%x: f32[{rows}, 64]) {{
      %0 = weight "w" : i4[2, 32, 8]
      %1 = weight "s" : f32[2, 1, 8]
      %2 = constant 0 : i4[]
      %3 = dequantize(%0, %1, %2)
      %4 = reshape(%3) {{shape = [64, 8]}}
      %5 = matmul(%x, %4)
      return %5
    }}"""
    assert spared(text) == kept
