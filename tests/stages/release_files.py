"""The files of a phantom release, as stages ask for them."""

from chexseg.data.layouts.chexpert import CheXpert


def release_files(root):
    """The arguments by which `check-data` and `build-index` are told of a release."""
    files = {role: tuple(paths) for role, paths in CheXpert().files(root).items()}
    return {"root": root, "inputs": files}
