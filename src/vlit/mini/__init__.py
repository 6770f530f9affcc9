"""The generated testbed that stands in for COCO 2014 and published weights. Nothing outside imports it."""
