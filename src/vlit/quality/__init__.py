"""Data quality: indicators, stored statistics, curation and the report (paper sections 4.1, 4.2.3)."""
