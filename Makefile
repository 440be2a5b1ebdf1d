# make demo | study | doll | evidence | test | test-fast | test-slurm | test-faults | lint | format | bench
# | bench-gpu | bench-memory | reference | cost-page | encoder-table: each sets up .venv by itself.
# make clean deletes results.

VENV := .venv
PYTHON ?= python3
CORES ?= 2
export PATH := $(abspath $(VENV)/bin):$(PATH)
# A job computes with the threads that Snakemake gave it.
export OMP_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

READY := $(VENV)/.ready

.PHONY: demo study doll evidence test test-fast test-slurm test-faults lint format bench bench-gpu bench-memory reference cost-page encoder-table clean
.DEFAULT_GOAL := demo

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python -r requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	touch $@

# The phantom study: runs what is missing, then writes results/demo/report.html.
demo: $(READY)
	$(VENV)/bin/snakemake --cores $(CORES) --configfile config/demo.yaml
	$(VENV)/bin/snakemake --cores 1 --configfile config/demo.yaml --report results/demo/report.html
	@echo Open results/demo/report.html

# The paper's experiments on the phantom, three seeds for each point; what they found
# (benchmarks/results/study.csv), and results/phantom-study/report.html.
study: $(READY)
	$(VENV)/bin/snakemake --cores $(CORES) --configfile config/phantom-study.yaml
	$(VENV)/bin/snakemake --cores 1 --configfile config/phantom-study.yaml --report results/phantom-study/report.html
	$(VENV)/bin/python benchmarks/study.py
	@echo Open results/phantom-study/report.html

# DoLL on the phantom, its answers (benchmarks/results/doll.csv), and results/doll/report.html.
doll: $(READY)
	$(VENV)/bin/snakemake --cores $(CORES) --configfile config/doll.yaml
	$(VENV)/bin/snakemake --cores 1 --configfile config/doll.yaml --report results/doll/report.html
	$(VENV)/bin/python benchmarks/doll.py
	@echo Open results/doll/report.html

# The demo's study on five other phantoms, with self-training, and the tables of the README.
evidence: $(READY)
	$(VENV)/bin/python benchmarks/evidence.py --cores $(CORES)

test: $(READY)
	$(VENV)/bin/pytest -n $(CORES) -m "not slurm"

test-fast: $(READY)
	$(VENV)/bin/pytest -n $(CORES) -m "not slow"

# A real Slurm on this machine, in a folder of its own; skipped where it is not installed.
test-slurm: $(READY)
	$(VENV)/bin/pytest -m slurm tests/workflow

# Kills a small study 50 times, in every stage, fills its disk and damages it: it must go on.
test-faults: $(READY)
	CHEXSEG_KILLS=50 $(VENV)/bin/pytest -m "" tests/workflow/test_faults.py

# Ours against the tools that one would pick instead, which are installed only for this; and what a
# dry run costs.
bench: $(READY)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint requirements.txt grad-cam==1.5.7 pydensecrf2==1.1
	$(VENV)/bin/python benchmarks/run.py
	$(VENV)/bin/python benchmarks/head.py

# Rates on a GPU, in a few minutes; then commit benchmarks/results/gpu.csv. Without .venv it takes any
# Python that has the packages, since a machine with a GPU may have no network.
GPU_PYTHON ?= $(firstword $(wildcard $(VENV)/bin/python) $(PYTHON))
bench-gpu:
	PYTHONPATH=. $(GPU_PYTHON) benchmarks/gpu.py

# Peak memory of every stage for 400 and for 4,000 X-rays: a quarter of an hour, on one core.
bench-memory: $(READY)
	$(VENV)/bin/python benchmarks/memory.py

lint: $(READY)
	$(VENV)/bin/ruff check --no-cache .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(VENV)/bin/snakemake --lint --configfile config/demo.yaml

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/snakefmt Snakefile workflow/Snakefile workflow/rules

# Deletes what demo, study and evidence made.
clean:
	rm -rf results/demo results/phantom-study results/evidence_* .snakemake

# Writes the config's schema and reference from the settings.
reference: $(READY)
	$(VENV)/bin/python -m chexseg.config.reference

# Writes the tables of docs/cost.md from what was measured.
cost-page: $(READY)
	PYTHONPATH=. $(VENV)/bin/python benchmarks/cost_page.py

# Counts what every encoder of smp and timm costs under every decoder: an hour of one core.
encoder-table: $(READY)
	$(VENV)/bin/python -m chexseg.models.encoder_table
