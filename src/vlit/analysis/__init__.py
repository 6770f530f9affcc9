"""Tables, figures, statistics, the audit of the published numbers, and the report (paper section 5.1.4)."""
