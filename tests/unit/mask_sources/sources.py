"""X-rays of all splits, and masks of them by any source."""

from chexseg import catalog

SIZE = 32
CLASSES = ("Edema", "Atelectasis")
SPLITS = ["train"] * 4 + ["expert"] * 6 + ["validation"] * 2 + ["test"] * 2
IDS = [f"cxr{number:02d}" for number in range(len(SPLITS))]

SETTINGS = {
    "drawn": {"classes": CLASSES},
    "boxes": {"classes": CLASSES},
    "consensus": {"thresholds": ("0.5", "0.5"), "certain_backgrounds": ("none", "none")},
}


def make(source, inputs, shard, **settings):
    method = catalog.load("mask_source", source)
    settings = method.command_settings()(**(SETTINGS.get(source, {}) | settings))
    made = method.make_masks(settings, {role: inputs[role] for role in method.roles}, shard)
    return made, dict(made.items)
