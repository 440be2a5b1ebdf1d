"""Which jobs run again, what they cost, and the progress of a study: the code that uses Snakemake."""
