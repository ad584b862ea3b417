"""Conformance suites: what every part of a kind promises, checked on a part of your own.

>>> from setclosure.conformance import check
>>> check("drift", "mlp", {"hidden": [8]}).promises[2]
'every row depends on its own macrostate and context alone'
"""

from setclosure.conformance.decoder import check_decoder
from setclosure.conformance.diffusion import check_diffusion
from setclosure.conformance.drift import check_drift
from setclosure.conformance.dynamics import check_dynamics
from setclosure.conformance.encoder import check_encoder
from setclosure.conformance.method import check_method
from setclosure.conformance.observable import check_observable
from setclosure.conformance.reader import ReaderContract, check_reader
from setclosure.conformance.reconstruction import check_reconstruction
from setclosure.conformance.report import Report
from setclosure.conformance.simulator import check_simulator
from setclosure.conformance.study import check_study
from setclosure.conformance.suites import check

__all__ = [
    "ReaderContract",
    "Report",
    "check",
    "check_decoder",
    "check_diffusion",
    "check_drift",
    "check_dynamics",
    "check_encoder",
    "check_method",
    "check_observable",
    "check_reader",
    "check_reconstruction",
    "check_simulator",
    "check_study",
]
