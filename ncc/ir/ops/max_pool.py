"""max_pool: the largest element under a window."""

from ncc.ir.op import Array, op
from ncc.ir.pool import Pool
from ncc.ir.window import lowest


@op("max_pool")
class MaxPool(Pool):
    """Padding is never the largest."""

    def pool(self, x: Array) -> Array:
        seen = self.window.view(self.window.pad(x, lowest(x.dtype)))
        found: Array = seen.max(axis=self.window.tap_axes)
        return found
