"""From scenes to training and validation samples."""
