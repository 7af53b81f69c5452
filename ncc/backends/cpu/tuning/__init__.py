"""Free choices of kernels: read from a tuning file, measured, or fixed."""
