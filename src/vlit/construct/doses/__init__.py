"""Datasets for a dose-response study: of equal size, each with one principle of section 4.1 varied and no other."""

from vlit.construct.doses.build import build_dose
from vlit.construct.doses.design import BASE, PRINCIPLES, Dose, dose, doses

__all__ = ["BASE", "PRINCIPLES", "Dose", "build_dose", "dose", "doses"]
