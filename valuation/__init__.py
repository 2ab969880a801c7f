"""What industrial data is worth: profile, quality, class and grade, estimate, price, report.

A pure library: no web, no clock, no hidden state. DuckDB reads the data, decimal arithmetic makes the money,
and every report can be recomputed by a stranger from the report and the file alone.
"""

__version__ = "0.1.0"
