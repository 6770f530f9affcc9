"""One file a format, its reader and its writer side by side. The configuration names the reader (`_target_`)."""
