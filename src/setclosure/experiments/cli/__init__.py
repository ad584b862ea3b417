"""The command line parses, calls and prints; the work is done elsewhere."""
