"""The folder of a dataset: manifest, files of a scene, splits, dataset card and coverage page."""
