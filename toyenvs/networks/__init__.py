"""Critics and actors as neural networks, and the losses of equations (8) and (15) on them."""
