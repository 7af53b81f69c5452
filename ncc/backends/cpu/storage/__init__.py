"""Where elements lie: views of memories, orders of axes, and the weights section."""
