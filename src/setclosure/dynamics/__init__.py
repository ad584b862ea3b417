"""Macro dynamics: the equation of motion of observables and closure, its loss and its rollouts (Sec. 3.3).

Dimension letters here: ``B`` macrostates, ``D`` numbers of a macrostate, ``L`` frames of a training example, ``p``
numbers of the context, ``R`` samples of the noise, ``H`` steps of a rollout; ``*`` is any number of leading axes.
"""
