"""Tables, figures, statistics, the audit of the published numbers and the study. Never imports torch (5.1.4)."""
