"""Exposure over time: frames of a video or a folder, how steady they are, and what they do when the light changes."""
