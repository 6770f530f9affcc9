"""Our own study: doses of single principles, and our grid next to the paper's."""
