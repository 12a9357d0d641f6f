"""Exceptions, one class per kind of user error; the failure of a *network* is an `Outcome`."""

from __future__ import annotations


class NASError(Exception):
    """Base class of all exceptions that this package defines."""


class UnknownNameError(NASError, LookupError):
    """A name is not registered."""


class InvalidSettingError(NASError, ValueError):
    """An argument has an invalid value."""


class IllegalDecisionError(NASError, ValueError):
    """A decision is not legal in the current state."""


class InvalidArchitectureError(NASError, ValueError):
    """An architecture cannot be built: a layer does not accept the shape of its input."""


class IncompatibleError(NASError, ValueError):
    """Two components do not fit together, such as an image space and a vector task."""


class InvalidDataError(NASError, ValueError):
    """A data file is missing, unreadable or violates its format."""


class StoreError(NASError, RuntimeError):
    """The store cannot be opened, read or written."""


class WorkerError(NASError, RuntimeError):
    """Worker processes cannot be started, or cannot load the evaluator."""


class MissingDependencyError(NASError, ImportError):
    """An optional package is required but not installed."""


class ExportMismatchError(NASError, RuntimeError):
    """The exported model and the network compute different outputs."""
