"""Our own study: doses of single principles, noise, and our grid next to the paper's."""
