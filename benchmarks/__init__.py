"""Speed of the slow parts, against what others do and against what the hardware allows."""
