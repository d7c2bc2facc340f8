"""The ideally exposed image of a scene: its bracket fused, and its blocks brought to their zones (paper 4.2)."""
