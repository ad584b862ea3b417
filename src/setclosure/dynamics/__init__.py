"""Macro dynamics: drift g and diffusion Σ of dz = g(z) dt + Σ(z) dW, likelihood and rollouts (Sec. 3.3).

Dimension letters here: ``B`` macrostates, ``D`` numbers of a macrostate, ``M`` trajectories, ``T`` frames,
``R`` samples of the noise, ``H`` steps of a rollout; ``*`` is any number of leading axes.
"""
