"""The shape of a contraction in registers and caches: its tile, and the order of its tiles.

Everything here is arithmetic on static sizes for a nominal core (two products and about one and
a half loads a cycle), so the same shapes give the same code on every build machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ncc.backends.cpu.target import Target
from ncc.ir.types import DType

MAX_VECTORS = 4
"""Vectors of columns in one tile; more leaves too few rows to hide the loads of B."""

PRODUCTS = 2.0
"""Vector products a cycle."""
LOAD = 0.65
"""Cycles of one load in a full pipeline: 28 x 16 loads as often as it multiplies, and reaches
three quarters of the peak that 14 x 32 reaches."""
STREAM = 40.0
"""Bytes of B that the second-level cache delivers a cycle."""
STEP_COST = 0.8
"""Cycles lost between one step along k and the next."""
TILE_COST = 30.0
"""Cycles to find, start and drain one tile."""
STORE_COST = 2.0
"""Cycles to finish one accumulator."""
COPY_COST = 0.02
"""What another copy of the code, for the last rows or columns, must win to be worth its bytes."""

LINE = 64
"""Bytes of a cache line."""
L1_BYTES = 24 * 1024
L2_BYTES = 768 * 1024
"""Three quarters of what a core has to itself; the rest is for results on their way out."""
PANEL_L2_WEIGHT = 1 / 8
"""Cost of a byte from the second-level cache, where one from beyond it costs 1."""
SCATTER = 1 / 4
"""What a byte costs more that is met a panel at a time: no hardware looks ahead so."""
UNASKED = 3.75
"""What a byte of panels costs more that the first of many row tiles reads, asked for by nothing."""
OTHERS = 1 / 2
"""What a byte costs more that two cores read: one of them wrote it, or it comes twice from afar."""

PART_BYTES = 160 * 1024
"""Of a panel, in the second-level cache beside the part that comes next."""
ASIDE_BYTES = 128 * 1024
"""Of sums that wait for the next part of their panel."""
LEAST_TURNS = 3
"""Row tiles for which it pays to bring a panel part by part."""

MIN_CHAINS = 8
"""Independent sums that keep two product units of latency 4 busy."""
STREAMS = 4
"""Places from which memory is read faster than from one: hardware looks ahead to the end of a page
and begins anew in the next, and the other streams go on meanwhile."""
STREAM_BYTES = 32 * 1024
"""Of a stream that is long enough to be worth its beginning."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """A register tile of `rows` by `columns`, of products that take `kr` elements at a time."""

    rows: int
    columns: int
    kr: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, as `Contract.tile` holds them."""
        return self.rows, self.columns


@dataclass(frozen=True, slots=True)
class Pieces:
    """A length cut into pieces of `size`, the last of which may be shorter."""

    length: int
    size: int

    @property
    def full(self) -> int:
        """How many pieces have the whole size."""
        return self.length // self.size

    @property
    def rest(self) -> int:
        """The length of the last piece if it is shorter, else 0."""
        return self.length % self.size

    @property
    def count(self) -> int:
        return -(-self.length // self.size)


def product_width(dtype: DType, target: Target) -> int:
    """Elements that one lane of a product instruction takes: more for dot products."""
    if dtype is DType.bf16 and target.has_bf16_dot:
        return 2
    return 4 if dtype is DType.u8 and target.has_byte_dot else 1


def accumulator_lanes(dtype: DType, target: Target) -> int:
    """Accumulators in one vector register: f64 sums are twice as wide as the others."""
    return target.lanes // 2 if dtype is DType.f64 else target.lanes


def choose(
    rows: int,
    columns: int,
    k_total: int,
    dtype: DType,
    target: Target,
    *,
    outer: int = 1,
    nr: int | None = None,
) -> Tiling:
    """The register tile for a product of `rows` by `columns` with sums of `k_total` elements.

    `rows` is the extent of the last row variable, `outer` that of the one around it, of which a
    tile may take several values with all their rows: a convolution has rows of pixels and lines
    of them. `dtype` is that of the operands. `nr` fixes the columns to those of weights that are
    packed already.
    """
    lanes = accumulator_lanes(dtype, target)
    kr = product_width(dtype, target)
    steps = -(-k_total // kr)
    shapes = tilings(rows, columns, dtype, target, outer=outer, nr=nr)
    assert shapes, f"no tile has {nr} columns"

    def cost(shape: tuple[int, int]) -> float:
        height, vectors = shape
        taken = cut_rows(rows, outer, height)
        panels = Pieces(columns, vectors * lanes)
        cycles = panels.full * _panel_cycles(taken, vectors, steps, target)
        if panels.rest:
            cycles += _panel_cycles(taken, -(-panels.rest // lanes), steps, target)
        copies = (1 + (taken.pieces.rest > 0)) * (1 + (panels.rest > 0)) - 1
        return cycles * (1 + COPY_COST * copies)

    height, vectors = min(shapes, key=cost)
    return Tiling(height, vectors * lanes, kr)


def tilings(
    rows: int,
    columns: int,
    dtype: DType,
    target: Target,
    *,
    outer: int = 1,
    nr: int | None = None,
) -> list[tuple[int, int]]:
    """What `choose` chooses from: heights, and widths in vectors."""
    lanes = accumulator_lanes(dtype, target)
    return [
        (height, vectors)
        for height, vectors in _shapes(target, _most_vectors(dtype, target))
        if (height <= rows or (height % rows == 0 and height <= rows * outer))
        and (vectors - 1) * lanes < columns
        and nr in {None, vectors * lanes}
    ]


@dataclass(frozen=True, slots=True)
class RowCut:
    """How tiles take rows: pieces of a variable that stands for `whole` rows at each value.

    There are `times` such variables side by side.
    """

    pieces: Pieces
    whole: int
    times: int


def cut_rows(rows: int, outer: int, height: int) -> RowCut:
    """How tiles of `height` take `outer` times `rows`: cut, or several times whole."""
    if height <= rows or outer == 1:
        return RowCut(Pieces(rows, min(height, rows)), 1, outer)
    return RowCut(Pieces(outer, height // rows), rows, 1)


def _most_vectors(dtype: DType, target: Target) -> int:
    """Panels for matrix registers are as wide as two of them."""
    fits = target.has_matrix_registers and product_width(dtype, target) > 1
    return 2 if fits else MAX_VECTORS


def _shapes(target: Target, most_vectors: int) -> Iterator[tuple[int, int]]:
    """Every tile, as rows and vectors, that fits the registers beside one row of B and one A."""
    for vectors in range(most_vectors, 0, -1):
        most = (target.registers - vectors - 1) // vectors
        yield from ((height, vectors) for height in range(most, 0, -1))


def _panel_cycles(taken: RowCut, vectors: int, steps: int, target: Target) -> float:
    """Cycles of all rows by one panel."""
    pieces, whole = taken.pieces, taken.whole
    cycles = pieces.full * _tile_cycles(pieces.size * whole, vectors, steps, target)
    if pieces.rest:
        cycles += _tile_cycles(pieces.rest * whole, vectors, steps, target)
    return taken.times * cycles


def _tile_cycles(height: int, vectors: int, steps: int, target: Target) -> float:
    """Cycles of one tile whose sums take `steps` products."""
    products = height * vectors
    row_of_b = vectors * target.vector_bits // 8
    step = max(products / PRODUCTS, LOAD * (height + vectors), row_of_b / STREAM)
    return steps * (step + STEP_COST) + TILE_COST + STORE_COST * products


def partial_sums(height: int, vectors: int, steps: int) -> int:
    """Into how many interleaved parts a tile splits its sums, to have enough of them.

    A power of two, at most the `steps` of one run.
    """
    parts = 1
    while parts * height * vectors < MIN_CHAINS and 2 * parts <= steps:
        parts *= 2
    return parts


def stretches(height: int, vectors: int, run_bytes: int, target: Target) -> int:
    """Into how many streams to cut a run of a panel, `run_bytes` long, that one tile alone reads.

    A power of two; each stretch has sums of its own, which fit the registers beside one row of B
    and one A.
    """

    def fits(count: int) -> bool:
        return (count * height + 1) * vectors + 1 <= target.registers

    count = 1
    while count < STREAMS and 2 * count * STREAM_BYTES <= run_bytes and fits(2 * count):
        count *= 2
    return count


def panel_parts(cuts: Sequence[int], row_tiles: int, panel_bytes: int) -> int:
    """Into which of `cuts` equal parts to cut the panels that so many row tiles use in turn.

    One part waits in the second-level cache while another one is used, beside rows of A.
    """
    if row_tiles < LEAST_TURNS or panel_bytes <= PART_BYTES:
        return 1
    fitting = [parts for parts in cuts if panel_bytes <= parts * PART_BYTES]
    return min(fitting, default=max(cuts))


def tiles_aside(tile_bytes: int) -> int:
    """How many tiles may put their sums aside."""
    return max(1, ASIDE_BYTES // tile_bytes)


def even_piece(length: int, most: int) -> int:
    """The size of the fewest pieces, as equal as can be, none of which is larger than `most`."""
    return -(-length // -(-length // most))


def block_tiles(
    row_tiles: int,
    panels: int,
    a_bytes: int,
    panel_bytes: int,
    body_bytes: int = 0,
    l2_bytes: int = L2_BYTES,
    others: float = 0.0,
    unasked: float = 0.0,
) -> int:
    """How many row tiles to multiply by one panel of B before the next panel is taken.

    All of them reads B once and A once a panel; one of them reads A once and B once a tile, and
    meets what the body reads and writes in order. `a_bytes` are those of all of A, `panel_bytes`
    those of one panel of B, `body_bytes` those of what the body reads and writes. Where cores share
    the tiles, `others` is the cost of a byte that two of them read: all of A where the last core
    starts at another panel than the first, all of B where it starts at other rows. One row tile
    asks for nothing that stays: `unasked` is the cost of a byte of panels that it waits for.

    Rows that stay for the next panel leave some of `l2_bytes`: the panel after it comes meanwhile.
    """
    tile_bytes = a_bytes / row_tiles

    def cost(block: int) -> tuple[float, int]:
        blocks = -(-row_tiles // block)
        held = block * tile_bytes
        b_stays = blocks == 1 or panels * panel_bytes + held <= l2_bytes
        far = float(panels * panel_bytes * (1 if b_stays else blocks))
        if block == 1 < blocks and b_stays:
            far += unasked * panels * panel_bytes
        far += a_bytes * (1 if held + panel_bytes < l2_bytes else panels)
        by_panels = blocks == 1 and panels > 1
        far += others * (a_bytes if by_panels else panels * panel_bytes)
        if block > 1 and panels > 1 and body_bytes > l2_bytes:
            far += SCATTER * body_bytes
        near = 0.0 if block > 1 and panel_bytes <= L1_BYTES else row_tiles * panel_bytes
        near += 0.0 if block == 1 and tile_bytes <= L1_BYTES else a_bytes
        return far + PANEL_L2_WEIGHT * panels * near, -block

    candidates = {1, *(-(-row_tiles // parts) for parts in range(1, min(row_tiles, 64) + 1))}
    return min(sorted(candidates), key=cost)
