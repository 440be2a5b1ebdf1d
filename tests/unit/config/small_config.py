"""A small config that is right, changes of it, and what is wrong with others."""

import copy

import pytest

from chexseg.config.study import load_study, read_study
from chexseg.errors import InputError

GOOD = {
    "study": "small",
    "seed": 7,
    "phantom": {},
    "classifiers": {
        "dense": {"architecture": "densenet121"},
        "res18": {"architecture": "resnet18"},
    },
    "saliency": {"gradcam": {"method": "gradcam", "classifiers": ["dense"]}},
    "masks": {
        "cam": {"source": "threshold", "saliency": "gradcam"},
        "irnet": {"source": "irnet", "saliency": "gradcam", "backbone": "none"},
    },
    "segmenters": {
        "full": {"masks": ["expert"]},
        "both": {"masks": {"expert": 0.9, "irnet": 0.1}, "initial_weights": "res18"},
    },
}


def good(**changes):
    """The good config, with sections replaced; a nested mapping is laid over the section."""
    config = copy.deepcopy(GOOD)
    for section, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(section), dict):
            config[section] |= value
        else:
            config[section] = value
    return config


def problems_of(text, tmp_path, name="study.yaml"):
    """The problems of a config's text: `row:column found expected remedy`."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(path)
    for problem in caught.value.problems:
        assert problem.where.startswith(f"{path}:")
    return [
        (p.where.removeprefix(f"{path}:"), p.found, p.expected, p.remedy)
        for p in caught.value.problems
    ]


def found_in(config):
    with pytest.raises(InputError) as caught:
        read_study(config)
    return [(problem.found, problem.remedy) for problem in caught.value.problems]
