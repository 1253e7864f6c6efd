"""What is asked: curves of measured points over an axis, and what theory predicts of them."""
