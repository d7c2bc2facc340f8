"""The optional packages that `luxel dataset` needs."""


def need_dataset_extra(command: str) -> None:
    import importlib.util

    from luxel.errors import MissingExtraError

    if any(importlib.util.find_spec(name) is None for name in ("cv2", "scipy", "skimage")):
        raise MissingExtraError(command, "dataset")
