import pytest

from chexseg.errors import InputError
from chexseg.stages import list_trainings

SCORED = """\
epoch,loss,score,steps,trainable_parameters,peak_memory_mb,seconds
1,0.9,0.10,4,70,500,2.5
2,0.8,,4,70,520,2.0
3,0.7,0.39,4,70,510,2.25
4,0.6,0.40,4,70,510,2.0
"""
UNSCORED = """\
epoch,loss,steps,trainable_parameters,peak_memory_mb,seconds
1,0.9,5,8,300,1.5
"""


def test_a_row_for_each_training_by_hand(tmp_path):
    (tmp_path / "a.csv").write_text(SCORED)
    (tmp_path / "b.csv").write_text(UNSCORED)
    metrics, out = (tmp_path / "a.csv", tmp_path / "b.csv"), tmp_path / "trainings.csv"
    list_trainings.run(metrics=metrics, names=("segmenters/a", "affinity/b"), out=out)
    assert out.read_text() == (
        "training,epochs,steps,trainable_parameters,peak_memory_mb,seconds,"
        "best_epoch,best_score,epochs_to_95,steps_to_95,seconds_to_95\n"
        "segmenters/a,4,16,70,520,8.75,4,0.4,3,12,6.75\n"
        "affinity/b,1,5,8,300,1.5,,,,,\n"
    )


def test_tables_of_another_form_are_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "a.csv").write_text("epoch,loss\n1,0.5\n")
    (tmp_path / "b.csv").write_text("")
    metrics = (tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(InputError) as caught:
        list_trainings.run(metrics=metrics, names=("a",), out=tmp_path / "out.csv")
    assert [problem.found for problem in caught.value.problems] == [
        "1 names", "no column 'steps'", "no column 'epoch'",
    ]  # fmt: skip
    assert not (tmp_path / "out.csv").exists()
