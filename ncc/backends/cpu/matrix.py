"""How contractions are cut for matrix registers (AMX): rows and elements of the run a step."""

from __future__ import annotations

from ncc.backends.cpu.tiles import COPY_COST

ROWS = 16
"""Rows of a register."""
COLUMNS = 16
"""Sums in a row of a register."""
GROUPS, LEAST_GROUPS = 16, 4
"""Groups of elements of the run that one product takes, 32 bits each."""
DEPTH = 2 * GROUPS
"""The most elements of bf16."""
LEAST_CUT = 2
"""Steps of the shortest run of which some is left to vectors."""
REST, REST_GROUP = 1.0, 0.75
"""Cost of what is left, and of each group of it, where a step costs 1."""
SHORT_STEPS = 16
"""Steps of a run that is not worth cutting: they take 32 KB of a panel."""
PART_STEPS, LEAST_PART_STEPS = 8, 4
"""Steps of a part of a run; 8 take 16 KB of a panel, and as much of the rows that pass beside."""
LEAST_TURNS = 4
"""Tiles for which it pays to take turns with one part of a run."""
LEAST_ROWS = 2
L2_BYTES = 1536 * 1024
"""As in `tiles`: every processor with these registers has twice the cache."""
LEAST_CYCLES = 8
"""Of a product by the columns of the one before, a cycle per row of A; by others it takes 16."""
TILE_CYCLES = 4
"""What each tile waits for B."""


def matrix_depth(run: int, kr: int) -> int | None:
    """Elements of the run that each step takes, in groups of `kr`, or None if too few.

    All steps are alike. What they leave of the run is added in vectors, group by group.
    """

    def cost(depth: int) -> tuple[float, int]:
        steps, rest = divmod(run, depth)
        return steps + (REST + REST_GROUP * -(-rest // kr) if rest else 0), -depth

    most = kr * GROUPS
    whole = [depth for depth in range(kr * LEAST_GROUPS, most + 1, kr) if run % depth == 0]
    cut = [most] if run >= LEAST_CUT * most else []
    return min([*whole, *cut], key=cost, default=None)


def run_parts(steps: int, tiles: int) -> int | None:
    """Into how many parts to cut sums of `steps` steps along the run.

    While `tiles` take turns with one part of a panel, it stays in the first-level cache. None
    where all of it does, where tiles are few, or where no equal parts are long enough for what
    it takes to put sums aside between them.
    """
    if steps <= SHORT_STEPS or tiles < LEAST_TURNS:
        return None
    fewest = -(-steps // PART_STEPS)
    fitting = range(fewest, steps // LEAST_PART_STEPS + 1)
    return next((parts for parts in fitting if steps % parts == 0), None)


def matrix_rows(rows: int, outer: int) -> tuple[int, int] | None:
    """Rows of A in the two registers that make the height of a tile, or None if too few.

    Rows in one register are those of one value of the `outer` variable.
    """
    if rows < LEAST_ROWS:
        return None
    if rows <= ROWS and outer > 1:
        return rows, rows

    def cost(height: int) -> tuple[float, int]:
        lower = _halves(height)[1]
        cycles = ROWS + (max(lower, LEAST_CYCLES) if lower else 0)
        copies = 1 + COPY_COST * (rows % height > 0)
        return -(-rows // height) * (cycles + TILE_CYCLES) * copies, -height

    return _halves(min(range(1, min(rows, 2 * ROWS) + 1), key=cost))


def _halves(height: int) -> tuple[int, int]:
    return min(height, ROWS), max(0, height - ROWS)
