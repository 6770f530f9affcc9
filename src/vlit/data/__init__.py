"""Instruction data: samples, readers, equal-size subsets, prompt templates, labels and batches (5.1.2, Eq. 1)."""
