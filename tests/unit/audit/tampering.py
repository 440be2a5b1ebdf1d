"""What tests do to a study and ask of its audit."""

import json

from chexseg.cli import main
from chexseg.provenance.form import seal_of
from chexseg.provenance.record import record_path


def run_audit(capsys, *words):
    """Exit code and output of `chexseg audit`."""
    try:
        code = main(["audit", *map(str, words)])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr()


def reseal(artifact, change):
    """Changes a record as the job would have written it."""
    path = record_path(artifact)
    record = json.loads(path.read_text())
    change(record)
    record["seal"] = seal_of(record)
    path.write_text(json.dumps(record))
