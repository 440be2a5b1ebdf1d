"""The longest command of a study, which Linux must take."""

from chexseg.config.study import load_study, read_study
from tests.unit.config.small_config import found_in, good, problems_of


def test_commands_that_no_shell_takes(tmp_path):
    text = "study: s\nphantom: {}\nsegmenters:\n"
    name = "a_segmenter_with_a_name_of_some_fifty_characters_x"
    text += f"  {name}: {{masks: [expert], initial_weights: none}}\n"
    text += f"sweeps:\n  a: {{of: {name}, seeds: SEEDS}}\n"
    [(where, found, _, remedy)] = problems_of(text.replace("SEEDS", "500"), tmp_path)
    assert (where, found) == ("5:1", "500 runs")
    assert remedy.startswith("Divide them among several studies")
    (tmp_path / "study.yaml").write_text(text.replace("SEEDS", "300"))
    assert len(load_study(tmp_path / "study.yaml").segmenters) == 300


def test_a_command_that_names_both_runs_and_shards():
    """The gallery names all runs and all shards; neither would be too many alone."""

    name = "a_segmenter_with_a_name_of_some_characters"

    def study(seeds, shards):
        config = good(data={"index": {"shards": shards}})
        config["segmenters"][name] = {"masks": ["expert"]}
        return config | {"sweeps": {"a": {"of": name, "seeds": seeds}}}

    read_study(study(330, 1))
    read_study(study(1, 400))
    [(found, remedy)] = found_in(study(330, 400))
    assert found == "332 runs"
    assert remedy.startswith("Divide them among several studies")
    [(found, remedy)] = found_in(study(200, 600))
    assert found == "600 shards"
    assert remedy.startswith("Take fewer")


def test_what_is_too_long_is_said(tmp_path):
    text = "study: s\nphantom: {}\ndata: {index: {shards: 4000}}\n"
    text += "segmenters: {full: {masks: [expert], initial_weights: none}}\n"
    [(where, found, expected, _)] = problems_of(text, tmp_path)
    assert (where, found) == ("3:16", "4000 shards")
    assert expected == (
        "commands of at most 120,000 characters; chexseg train-segmenter of full has 348,000, "
        "348,000 of them for shards and 0 for runs"
    )
