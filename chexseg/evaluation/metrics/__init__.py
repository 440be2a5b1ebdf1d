"""Metrics: each is a function in a file here, with a line in `chexseg.catalog`.

A metric is a ratio of sums over X-rays, so that a resample of patients is a weighting of
per-patient sums. Its function takes the overlaps of a run (a table with the columns
`chexseg.evaluation.overlaps.COLUMNS`) and returns two arrays with one number per row: its
contributions to the numerator and to the denominator. Rows with denominator 0 do not count.
"""
