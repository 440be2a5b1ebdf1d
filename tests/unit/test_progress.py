from chexseg.progress import progress


def test_items_pass_through_and_a_log_stays_silent(capfd):
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capfd.readouterr() == ("", "")
