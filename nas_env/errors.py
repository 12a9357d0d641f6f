"""One exception class per mistake a caller can make; what a *network* does wrong is an Outcome."""

from __future__ import annotations


class NASError(Exception):
    """Base of every error this package raises on purpose."""


class UnknownNameError(NASError, LookupError):
    """A name is not in the registry that was asked."""


class InvalidSettingError(NASError, ValueError):
    """An argument has a value outside its declared range."""


class IllegalDecisionError(NASError, ValueError):
    """A decision is not legal in the state it was taken in."""


class InvalidArchitectureError(NASError, ValueError):
    """An architecture cannot be built: a layer does not accept what it is given."""


class IncompatibleError(NASError, ValueError):
    """Two parts that were chosen together do not fit, such as an image space and a vector task."""


class InvalidDataError(NASError, ValueError):
    """A data file is missing, unreadable or breaks a rule of its format."""


class StoreError(NASError, RuntimeError):
    """The store cannot be opened, read or written."""


class WorkerError(NASError, RuntimeError):
    """Worker processes cannot be started, or cannot load what they are to evaluate with."""


class MissingDependencyError(NASError, ImportError):
    """An optional package is needed for what was asked."""


class ExportMismatchError(NASError, RuntimeError):
    """What was exported does not compute what the network computes."""
