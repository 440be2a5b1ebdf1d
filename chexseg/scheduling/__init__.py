"""Which jobs run again, what they cost, and how far a study is: all that asks Snakemake."""
