"""Readers of other programs' files, one file for each family of formats."""
