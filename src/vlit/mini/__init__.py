"""The generated testbed that stands in for COCO 2014, SEED-Bench and published weights; nothing outside imports it.

- `world`: pictures whose whole truth is known, with annotations and a benchmark
- `datasets`: instruction data like LLaVA-Instruct, MIMIC-IT and COCO_ARC, with planted errors
- `doses`: datasets that differ in one principle of quality, for the dose-response study
- `pretraining`: how the shipped weights are made; `weights`: how they are unpacked
"""
