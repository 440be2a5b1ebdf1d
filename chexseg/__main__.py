"""`python -m chexseg` is `chexseg`."""

from chexseg.cli import console

console()
