"""The mini instruction datasets, written from the annotation files of the world instead of by a language model."""
