"""Every error has a named class, and a message that says what was wrong, where, what was expected and what to do.

All errors inherit from :class:`SetclosureError`, so that a program can catch the whole family; the command line
prints their message without a traceback.
"""


class SetclosureError(Exception):
    """The base of every error that a user can cause or mend.

    Examples
    --------
    >>> issubclass(MicrostateError, SetclosureError) and issubclass(MicrostateError, ValueError)
    True
    """


class MicrostateError(SetclosureError, ValueError):
    """A microstate has the wrong shape, is empty, or holds NaN or infinite numbers."""


class ConfigurationError(SetclosureError, ValueError):
    """A configuration file or an override has an unknown key or a value out of range."""


class DatasetError(SetclosureError):
    """A trajectory data set is missing, incomplete, or not the one that was asked for."""


class ReaderError(SetclosureError):
    """A file of another program cannot be read, or says something else than was expected of it."""


class DamagedFileError(SetclosureError):
    """A file does not have the content that was written to it."""


class SchemaVersionError(SetclosureError):
    """A file was written under a schema that this version of setclosure does not read."""


class RunError(SetclosureError):
    """A run folder exists already, is missing, or belongs to other data or another configuration."""


class StorageError(SetclosureError, OSError):
    """The disk is full, or the folder may not be written."""


class ModelError(SetclosureError):
    """A model does not fit the microstates or arguments that it is given, or a folder holds no model."""


class MissingExtraError(SetclosureError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


class SimulationError(SetclosureError):
    """A trajectory could not be simulated, for instance because the simulation program stopped with an error."""


class ConformanceError(SetclosureError):
    """A part breaks a promise that every part of its kind keeps."""


class TrainingError(SetclosureError):
    """Training cannot go on, for instance because the loss is not finite."""


class SetclosureWarning(UserWarning):
    """A warning of something that does not stop the work and that the user should know."""


class SkillWarning(SetclosureWarning):
    """A model that was fitted does not pay: a naive prediction is better, or it has learned nothing."""
