"""Agreement, correlation, intervals and models over datasets, models and seeds (paper section 5.1.4)."""
