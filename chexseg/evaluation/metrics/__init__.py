"""Metrics: each is a function of one file here, with its line in `chexseg.catalog`.

A metric is a ratio of sums over X-rays, so that a resample of patients is a weighting of
per-patient sums. Its function takes the overlaps of a run (a table with the columns
`chexseg.evaluation.overlaps.COLUMNS`) and returns two arrays with one number for each row: what
the row adds to the numerator, and to the denominator. A row whose denominator is 0 does not count.
"""
