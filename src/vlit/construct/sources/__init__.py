"""Annotation sources over COCO images: captions, objects, attributes, written words, questions."""
