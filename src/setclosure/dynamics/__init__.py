"""The macro dynamics are the equation of motion of observables and closure, with a loss and rollouts (Sec. 3.3).

Shapes have these letters: ``B`` macrostates, ``D`` numbers of a macrostate, ``L`` frames of a training example, ``p``
numbers of the context, ``R`` samples of the noise, ``H`` steps of a rollout; ``*`` is any number of leading axes.
"""
