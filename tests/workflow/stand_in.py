"""The demo's artifacts, stood in for by small files with true records: nothing is computed."""

import functools
from pathlib import Path

import h5py
import yaml

from chexseg.files.artifacts import OUTPUT
from chexseg.provenance.record import flags_of, marks_of, recorded
from chexseg.scheduling import graph
from chexseg.stages import load

ROOT = Path(__file__).parents[2]
OTHER_METHODS = {
    "saliency": "  layer: {method: layercam, classifiers: [resnet18], layer: 3}\n"
    "  attributions: {method: integrated_gradients, classifiers: [densenet], baseline: noise}",
    "masks": "  taught: {source: segmenter, segmenters: [full, weak_cam]}\n"
    "  voted: {source: consensus, saliency: [gradcam, layer]}",
    "segmenters": "  student: {masks: {expert: 0.5, taught: 0.5}}\n"
    "  start: {masks: [voted], scored: false}",
}
"""Entries of the methods that the demo does not use, by section."""

TEXT = (ROOT / "config" / "demo.yaml").read_text()
for _section, _entry in OTHER_METHODS.items():
    TEXT = TEXT.replace(f"\n{_section}:\n", f"\n{_section}:\n{_entry}\n")
DEMO = yaml.safe_load(TEXT)


def stand_in(job, content=""):
    """Writes what a job would write, in name only, with its true records."""
    stage, *arguments = job.arguments
    run = load(stage, arguments)
    marks, flags = marks_of(run), flags_of(arguments)

    @functools.wraps(run)
    def write(**values):
        for path in job.outputs:
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".h5":
                with h5py.File(path, "w") as file:
                    file["id"] = ["cxr0"]
                    file.attrs["content"] = f"{path} {content}"
            elif path.suffix == ".json":
                path.write_text(f'{{"{path}": 1}}')
            else:
                path.write_text("path,sha256\n" if path.name == "index.csv" else str(path))

    values = {}
    for name, kind in marks.items():
        paths = tuple(map(Path, flags.get(name, ())))
        one = kind == OUTPUT and len(paths) < 2
        values[name] = (paths[0] if paths else None) if one else paths
    values.update({name: values[name][0] for name in marks if name == "root"})
    recorded(stage, write, arguments)(**values)


def read(config=None, text=None, snakefile=ROOT / "Snakefile"):
    path = Path("config.yaml")
    path.write_text(text if text is not None else yaml.safe_dump(config))
    return graph.read_graph([path], snakefile=snakefile)


def running(jobs):
    return {job.name for job in jobs if job.would_run}


def downstream(jobs, directly):
    """Names of jobs whose name starts with one of `directly` ("": of all), and of all behind."""
    hit = set()
    for job in jobs:
        own = any(f"{job.name} ".startswith(f"{each} ".lstrip()) for each in directly)
        if own or any(before.name in hit for before in job.before):
            hit.add(job.name)
    return hit
