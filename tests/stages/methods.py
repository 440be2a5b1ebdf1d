"""Stages run in process with a method of the catalog and its settings."""

from chexseg import catalog
from chexseg.stages import compute_saliency, make_masks


def compute_maps(method, images, classifiers, out, classes, threads=1, inputs=None, **settings):
    """Runs `compute-saliency`; the settings are the method's, `inputs` are its files by role."""
    compute_saliency.run(
        images=images,
        classifiers=classifiers,
        inputs=inputs or {},
        out=out,
        method=method,
        settings=catalog.load("saliency", method).command_settings()(**settings),
        classes=classes,
        threads=threads,
    )


def make(source, index, images, out, inputs, **settings):
    """Runs `make-masks`; `inputs` are one file for each role, the settings are the source's."""
    make_masks.run(
        source=source,
        index=index,
        images=images,
        inputs={role: (path,) for role, path in inputs.items()},
        out=out,
        settings=catalog.load("mask_source", source).command_settings()(**settings),
    )
