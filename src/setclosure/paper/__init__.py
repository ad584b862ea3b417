"""The paper: its simulators, image models, baselines, studies, tables and figures.

Everything here uses the library's public names and its registry; the library imports nothing from here.
"""
