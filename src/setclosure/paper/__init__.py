"""The paper is reproduced here, with its simulators, image models, baselines, studies, tables and figures.

Everything here uses public names of the library and its registry, and the library imports nothing from here.
"""
