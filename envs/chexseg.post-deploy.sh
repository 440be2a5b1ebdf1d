#!/usr/bin/env bash
# Snakemake runs this in the fresh environment, in the repository's root.
set -euo pipefail
python -m pip install --no-deps --editable .
