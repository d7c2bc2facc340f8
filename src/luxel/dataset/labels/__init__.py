"""Labels of frames: residual maps made by rule, and the layers in which experts changed them."""
