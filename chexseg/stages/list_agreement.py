"""Lists how far the voters agree on whose maps masks are based."""

from __future__ import annotations

from pathlib import Path

from chexseg.errors import Problems
from chexseg.evaluation.agreement import agreement_table
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.files.sources import check_shards, open_sources


def run(
    *, masks: tuple[Path, ...], names: tuple[str, ...], voters: tuple[str, ...], out: Output
) -> None:
    """Write the agreement of the voters of each source of masks, for each class.

    It was counted when the masks were made, on the train X-rays whose label lets a mask through.

    Args:
        masks: The shards of the sources, in the order of `names`.
        names: Names of the sources, with equally many shards each.
        voters: The voters of each source, in the order of `names`, such as "cam_a,cam_b".
        out: The table (CSV).

    Raises:
        InputError: names and shards do not fit together, or the masks have no such voters.
    """
    problems = Problems()
    check_shards(masks, names, "--names", problems)
    if len(voters) != len(names):
        found, expected = f"{len(voters)} lists of voters", f"one for each of {len(names)} sources"
        problems.add("--voters", found, expected, "Correct --names or --voters.")
    problems.raise_if_any()
    stores, each = open_sources(masks, names, None, problems), {}
    for (name, store), listed in zip(stores.items(), voters, strict=True):
        each[name] = listed.split(",")
        for path, notes in zip(store.paths, store.notes, strict=True):
            if len(notes.get("likeness", ())) != len(each[name]):
                found = f"masks of {len(notes.get('likeness', ()))} voters"
                expected = f"masks on which {listed} have voted"
                problems.add(path, found, expected, "Make these masks again.")
    problems.raise_if_any()
    table = agreement_table(
        {name: (store.meta["classes"], each[name], store.notes) for name, store in stores.items()}
    )
    with atomic(out) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    print(table[table["voter"] == "mean"].to_string(index=False))
