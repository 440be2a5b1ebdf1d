"""The keys of a config: other values to give them, and the jobs that this makes run.

Written by hand, and not from the lists of the code that is tested.
"""

from chexseg.data.layouts.chexpert import FINDINGS

ENTRY = {
    "classifiers": "densenet", "segmenters": "chexseg", "contrasts": "chexseg_vs_full",
    "sweeps": "more", "published": "paper", "GradCAM": "gradcam", "LayerCAM": "gradcam",
    "IntegratedGradients": "attributions", "Drawn": "expert",
    "Threshold": "cam", "IRNet": "irnet", "Segmenter": "taught",
    "Consensus": "voted",
}  # fmt: skip
"""Section, or the model of a method -> the entry of the demo whose keys are changed."""

VALUES = {
    "encoder": ["resnet50"], "initial_weights": ["other.pt"],
    "optimizer": ["sgd", "adam"], "schedule": ["polynomial", "constant"],
    "precision": ["bf16-mixed"], "uncertain": ["zeros", "ignore"], "blank": ["ignore", "zeros"], "dilate": [True],
    "stride": [8], "selection": [["Edema"]], "images": [5], "share": [0.5],
     "image_size": [96],
    "max_train_images": [5], "assume_frontal": [False], "samples_per_epoch": [5], "backbone": ["none"],
    "validation": ["cam"], "masks": [["expert"]], "findings": [[*FINDINGS[1:]]], "pathologies": [["Edema"]],
    "method": ["layercam"], "flip": [True], "scales": [[1.0, 1.5]], "layer": [3],
    "threshold": ["otsu", "quantile 0.9"], "fill": [True], "soft": [True], "certain_background": [0.1], "loss": ["cross_entropy"],
    "baseline": ["black"], "values": ["absolute"], "cell": [8],
    "metrics": [["iou_image"]], "classes": [["Edema"]], "selection_metric": ["dice"],
    "parts": ["encoder"], "fine_tuning": ["head"], "scale_range": [[0.5, 2.0]], "keep_epochs": [[1]],
    "run": ["weak_cam"], "against": ["weak_cam"], "shards": [3],
}  # fmt: skip
"""Last step of a key -> other values to give it. All other numbers are made larger."""

LISTED = ("encoder", "initial_weights", "seed")
"""Settings of segmenters that the table of runs has."""

DIRECTLY = {
    "study": ("",),
    "seed": (
        "make_phantom", "build_index", "train_classifier", "train_irnet", "train_segmenter",
        "list_runs", "score_masks", "score_runs",
    ),
    "phantom": ("make_phantom",),
    "data.index": ("build_index",),
    "data.images": ("store_images",),  # masks are as large as the images, and made from their store
    "data.findings": ("check_data", "build_index"),
    "data.pathologies": (
        "check_data", "build_index", "compute_saliency", "make_masks expert", "count_overlaps",
    ),
    "classifiers.densenet": ("train_classifier densenet",),
    "saliency.gradcam": ("compute_saliency gradcam",),
    "saliency.attributions": ("compute_saliency attributions",),
    "masks.expert": ("make_masks expert",),
    "masks.cam": ("make_masks cam",),
    "masks.irnet.images": ("label_affinity irnet", "make_masks_on_gpu irnet"),
    "masks.irnet.labels": ("label_affinity irnet",),
    "masks.irnet.training": ("train_irnet irnet",),
    "masks.irnet.backbone": ("train_irnet irnet",),
    "masks.irnet.backbone_architecture": ("train_irnet irnet",),
    "masks.irnet.affinity": ("compute_affinity irnet",),
    **{f"masks.irnet.{key}": ("make_masks_on_gpu irnet",)
       for key in ("walk", "uncertain", "blank", "certain_background")},
    "masks.taught": ("make_masks_on_gpu taught",),
    "masks.voted": ("make_masks voted",),
    "segmenters.chexseg": ("train_segmenter chexseg",),
    **{f"segmenters.chexseg.{key}": ("train_segmenter chexseg", "list_runs") for key in LISTED},
    "prediction": ("predict_masks",),
    "evaluation": ("score_masks", "score_runs"),
    "evaluation.metrics": ("score_runs",),
    "contrasts": ("compare_runs",),
    "figures": tuple(f"draw_figure gallery{rank}" for rank in ("", "_best", "_worst")),
}  # fmt: skip
"""Key, or the beginning of keys -> the jobs that it changes by itself."""

NOTHING = {
    "masks.expert.seed": "all X-rays of the split are taken",
    "masks.taught.temperature": "cut masks have none",
    "saliency.attributions.blur": "the baseline is noise",
    "saliency.attributions.noise": "there are no noisy copies",
    "contrasts.chexseg_vs_full.all_seeds": "no run has another seed",
    "classifiers.densenet.momentum": "the optimizer is Adam",
    "defaults.classifiers.momentum": "likewise",
    **{
        f"{entry}.{key}": why
        for entry in ("segmenters.chexseg", "defaults.segmenters")
        for key, why in {
            "confidence": "consistency is 0",
            "momentum": "the optimizer is Adam",
            "background_weight": "the loss is Dice",
            "adapter_rank": "there are no adapters",
            "parts": "a classifier has an encoder alone",
            "initial_epoch": "likewise",
        }.items()
    },
}
"""Keys that change nothing here, and why."""

ALONE = {
    # The data's own masks are of other X-rays.
    "masks.expert.split": ("train", "split: train, but no files"),
    # Segmenters learn the study's pathologies.
    "masks.expert.classes": (["Edema"], "expert"),
    # Runs that are compared must be scored.
    "defaults.segmenters.scored": (False, "expected one of the runs"),
    "defaults.segmenters.leave_out": ({"irnet": ["Edema"]}, "from which full does not learn"),
}
"""Keys that cannot be changed alone -> a value that is refused, and part of the error."""

REFUSED = {
    *("data.root", "data.layout", "data.train_csv", "data.val_csv", "data.test_csv"),
    *("data.val_masks", "data.test_masks"),
    # Keys of the layout `folder`.
    *("data.train_x_rays", "data.val_x_rays", "data.test_x_rays"),
}
"""The phantom has its own files, in the layout of CheXpert."""

OTHER_MAPS = {"maps": {"method": "gradcam", "classifiers": ["densenet"]}}

IRNET = ("label_affinity", "train_irnet", "compute_affinity", "make_masks_on_gpu")

ANOTHER = {
    # Key -> what to change for another graph, and the jobs that this makes run by itself.
    "data.radiologist_masks": (
        {"data": {"radiologist_masks": None}, "contrasts": {"radiologists_vs_chexseg": ...}},
        ["check_data", "build_index", "list_runs"],
    ),
    "saliency.gradcam.classifiers": (
        {"saliency": {"gradcam": {"classifiers": ["densenet", "resnet18"]}}}, ["compute_saliency gradcam"],
    ),
    "saliency.attributions.classifiers": (
        {"saliency": {"attributions": {"classifiers": ["resnet18"]}}},
        ["compute_saliency attributions"],
    ),
    "saliency.attributions.method": (
        {"saliency": {"attributions": {"method": "layercam", "baseline": ...}}},
        ["compute_saliency attributions"],
    ),
    "masks.expert.files": (
        {"masks": {"expert": {
            "source": "drawn", "files": ["anatomy/segmentations_val.json"], "split": "train",
        }}},
        ["make_masks expert"],
    ),
    "masks.cam.source": (
        {"masks": {"cam": {"source": "irnet", "threshold": ..., "backbone": "none"}}},
        [f"{rule} cam" for rule in IRNET],
    ),
    "masks.cam.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"cam": {"saliency": "maps"}}},
        ["compute_saliency maps", "make_masks cam"],
    ),
    "masks.irnet.source": (
        {"masks": {"irnet": {
            "source": "threshold", "backbone": ..., "backbone_architecture": ..., "labels": ...,
            "training": ..., "walk": ...,
        }}},
        ["make_masks irnet"],
    ),
    "masks.irnet.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"irnet": {"saliency": "maps"}}},
        ["compute_saliency maps", "label_affinity irnet", "make_masks_on_gpu irnet"],
    ),
    "masks.irnet.backbone_architecture": (
        {"masks": {"irnet": {"backbone": "none", "backbone_architecture": "resnet50"}}},
        ["train_irnet irnet"],
    ),
    "masks.voted.source": (
        {"masks": {"voted": {"source": "segmenter", "segmenters": ["full"], "saliency": ...}}},
        ["make_masks_on_gpu voted"],
    ),
    "masks.voted.saliency": (
        {"masks": {"voted": {"saliency": ["gradcam"]}}}, ["make_masks voted"],
    ),
    **{
        f"masks.voted.{key}": ({"masks": {"voted": {key: {"Edema": 0.3}}}}, ["make_masks voted"])
        for key in ("threshold_of", "certain_background_of")
    },
    "saliency.gradcam.classes": (
        # What mixes other masks with those of these maps is changed too.
        {
            "saliency": {"gradcam": {"classes": [*FINDINGS]}},
            "masks": {"voted": {"saliency": ["layer"]}, "taught": {"segmenters": ["full"]}},
            "segmenters": {"chexseg": {"masks": ["expert"]}},
        },
        [
            "compute_saliency gradcam", "make_masks voted", "make_masks_on_gpu taught",
            "train_segmenter chexseg", "list_runs",
        ],
    ),
    "segmenters.chexseg.scored": (
        {
            "segmenters": {"chexseg": {"scored": False}},
            "contrasts": {
                "chexseg_vs_full": ..., "chexseg_vs_weak_irnet": ..., "radiologists_vs_chexseg": ...,
            },
        },
        [
            "list_runs", "score_runs", "draw_figure gallery", "draw_figure gallery_best",
            "draw_figure gallery_worst", "draw_figure bars",
        ],
    ),
    # The network of the classifier that it starts from would be another.
    "segmenters.chexseg.encoder": (
        {"segmenters": {"chexseg": {"encoder": "resnet50", "initial_weights": "none"}}},
        ["train_segmenter chexseg", "list_runs"],
    ),
    "defaults.segmenters.encoder": (
        {"defaults": {"segmenters": {"encoder": "resnet50", "initial_weights": "none"}}},
        ["train_segmenter", "list_runs"],
    ),
    "masks.taught.source": (
        {"masks": {"taught": {"source": "threshold", "segmenters": ..., "saliency": "gradcam"}}},
        ["make_masks taught"],
    ),
    "masks.taught.segmenters": (
        {"masks": {"taught": {"segmenters": ["full"]}}}, ["make_masks_on_gpu taught"],
    ),
    "masks.taught.classifier": (
        {"masks": {"taught": {"classifier": "densenet", "blank": "classifier"}}},
        ["make_masks_on_gpu taught"],
    ),
    "segmenters.chexseg.leave_out": (
        {"segmenters": {"chexseg": {"leave_out": {"irnet": ["Edema"]}}}},
        ["train_segmenter chexseg"],
    ),
    "segmenters.chexseg.masks": (
        {"segmenters": {"chexseg": {"masks": {"expert": 0.7, "irnet": 0.3}}}},
        ["train_segmenter chexseg", "list_runs"],
    ),
    "sweeps.more.of": (
        {"sweeps": {"more": {"of": "full", "epochs": [10, 11]}}},
        ["train_segmenter full-epochs_11", "list_runs"],
    ),
    **{f"published.paper.{key}": ({"published": {"paper": {
        "value": 0.3, "data": "x", "source": "y", **change,
    }}}, ["write_table result"])
       for key, change in {
           "run": {"run": "full"}, "metric": {"metric": "iou_image"}, "value": {"value": 0.4},
           "data": {"data": "z"}, "source": {"source": "z"},
       }.items()},
    "sweeps.more.seeds": (
        {"sweeps": {"more": {"of": "weak_cam", "seeds": 2}}},
        ["train_segmenter weak_cam-seed_1", "list_runs"],
    ),
}  # fmt: skip

ONLY = {"masks.expert.source"}
"""Keys that have only one value here."""
