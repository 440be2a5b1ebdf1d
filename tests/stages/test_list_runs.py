import pytest

from chexseg.errors import InputError
from chexseg.stages import list_runs


def test_the_table_of_runs(tmp_path):
    rows = ("full,,full,,", 'both,rho,both,"a, b",0.5')
    out = tmp_path / "runs.csv"
    list_runs.run(columns=("run", "sweep", "of", "masks", "expert"), rows=rows, out=out)
    assert out.read_text() == (
        'run,sweep,of,masks,expert\nfull,,full,,\nboth,rho,both,"a, b",0.5\n'
    )


def test_rows_of_another_length_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match="row 2: found 3 cells, expected 2, as columns"):
        list_runs.run(columns=("run", "of"), rows=("a,b", "a,b,c"), out=tmp_path / "runs.csv")
    assert list(tmp_path.iterdir()) == []
