"""Colour to sRGB: by primaries and curves, by ICC profile, by code points, and the exposure of scene light."""
