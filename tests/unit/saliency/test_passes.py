from chexseg.saliency.passes import Passes, Sizes, plan_passes

# A copy holds 100, each of its gradients 4 x 10; the sum of a path takes 5 for each output.
SIZES = Sizes(saved=100, largest=10, total=5)


def planned(budget, steps=4, outputs=2):
    return plan_passes(SIZES, budget, steps=steps, outputs=outputs, on_cpu=False)


def test_the_least_is_one_copy_and_one_output():
    assert planned(0) == Passes(paths=1, copies=1, outputs=1)
    assert planned(189) == Passes(1, 1, 1)  # 10 + 100 + 2 x 40 = 190 would take both outputs


def test_outputs_come_before_copies_and_copies_before_paths():
    assert planned(190) == Passes(1, 1, 2)
    assert planned(10 + 3 * 180) == Passes(1, 3, 2)
    assert planned(10 + 4 * 180) == Passes(1, 4, 2)
    assert planned(10 + 7 * 180) == Passes(1, 4, 2)
    assert planned(3 * (10 + 4 * 180)) == Passes(3, 12, 2)


def test_tensors_are_small_on_a_cpu():
    sizes = Sizes(saved=100, largest=2**23, total=5)
    plan = plan_passes(sizes, 1e12, steps=16, outputs=14, on_cpu=True)
    assert plan == Passes(1, 1, 4)  # of 8 MiB each, below 32 MiB
    small = Sizes(saved=100, largest=2**15, total=5)
    plan = plan_passes(small, 1e12, steps=16, outputs=14, on_cpu=True)
    assert plan == Passes(4, 73, 14)
