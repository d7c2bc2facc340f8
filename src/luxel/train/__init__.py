"""Training of the network on scenes made by `luxel.dataset` (needs the train extra)."""
