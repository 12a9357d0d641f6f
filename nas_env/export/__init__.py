"""Export of a network: its source code, its weights, and formats for other programs."""

from nas_env.export.folder import Exported, export, export_ensemble
from nas_env.export.source import Source, write_ensemble_source, write_source

__all__ = [
    "Exported",
    "Source",
    "export",
    "export_ensemble",
    "write_ensemble_source",
    "write_source",
]
