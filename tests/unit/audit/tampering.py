"""What tests do to a study and ask of its audit."""

import json
import shutil

from chexseg.cli import main
from chexseg.provenance.digests import sha256
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


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit_text(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def make_again(artifact, others=()):
    """What an artifact and its records look like after another run of its job."""
    old = sha256(artifact)
    artifact.write_text("made again")
    for each in (artifact, *others):
        path = record_path(each)
        path.write_text(path.read_text().replace(old, sha256(artifact)))
        reseal(each, lambda record: record.update(started="2090-01-01T00:00:00+00:00"))


def exchange(one, other):
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def an_earlier_run(artifact):
    old = sha256(artifact)
    artifact.write_text("epoch,score\n")
    path = record_path(artifact)
    path.write_text(path.read_text().replace(old, sha256(artifact)))
    reseal(artifact, lambda record: record.update(started="2020-01-01T00:00:00+00:00"))


def edit_with_record(artifact):
    old = sha256(artifact)
    flip(artifact)
    edit_text(record_path(artifact), old, sha256(artifact))


def copy_entry(source, target):
    shutil.copytree(source, target)


def unlink(*paths):
    for path in paths:
        path.unlink()


def new_file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def with_code(*artifacts, name):
    def change(record):
        assert name in record["code"]["definitions"]
        record["code"]["definitions"][name] = "0" * 16

    for artifact in artifacts:
        reseal(artifact, change)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-9])
