"""Named errors and warnings: each says what was wrong, what was expected, and what to do.

All inherit from :class:`SetclosureError`, so that a program can catch the whole family; the command line
prints their message without a traceback. Nothing here imports anything.
"""


class SetclosureError(Exception):
    """Base of every error that a user can cause or mend."""


class MicrostateError(SetclosureError, ValueError):
    """A microstate has the wrong shape, is empty, or holds NaN or infinite numbers."""


class ConfigurationError(SetclosureError, ValueError):
    """A configuration file or an override has an unknown key or a value out of range."""


class DatasetError(SetclosureError):
    """A trajectory data set is missing, incomplete, or not the one that was asked for."""


class DamagedFileError(SetclosureError):
    """A file does not have the content that was written to it."""


class SchemaVersionError(SetclosureError):
    """A file was written under a schema that this version of setclosure does not read."""


class RunError(SetclosureError):
    """A run folder exists already, is missing, or belongs to other data or another configuration."""


class StorageError(SetclosureError, OSError):
    """The disk is full, or the folder may not be written."""


class ModelError(SetclosureError):
    """A model does not fit the microstates it is given, or is used before it was trained."""


class MissingExtraError(SetclosureError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


class SimulationError(SetclosureError):
    """A trajectory could not be simulated, for instance because the simulation program stopped with an error."""


class ConformanceError(SetclosureError):
    """A part breaks a promise that every part of its kind keeps."""


class TrainingError(SetclosureError):
    """Training cannot go on, for instance because the loss is not finite."""


class SetclosureWarning(UserWarning):
    """Something that the user should know and that does not stop the work."""
