"""The quality indicators of Table 4, one file each (paper section 4.1)."""
