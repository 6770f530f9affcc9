"""Instruction data out of image annotations, written by a language model (paper sections 4.2.1, 4.2.2, A.2.2)."""
