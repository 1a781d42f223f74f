"""go vet, where an overlay brings packages in folders that GOROOT does not have.

The go command vets what a package imports, too, each in its own folder, and an overlay makes none: for such a
package it says that it cannot go there, and fails at the end. Nothing else is lost by that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.guest.overlay import Overlay

__all__ = ["new_folders", "vet"]


def new_folders(overlay: Overlay) -> list[str]:
    """Folders that only the overlay has."""
    if overlay.path is None:
        return []
    replaced = json.loads(overlay.path.read_bytes())["Replace"]
    return sorted({str(folder) for path in replaced if not (folder := Path(path).parent).is_dir()})


def vet(command: Sequence[str], environment: Mapping[str, str], folders: Sequence[str]) -> int:
    """Run a go vet without what it says of `folders`; if it said nothing else all is well."""
    ends = tuple(f": chdir {folder}: no such file or directory\n" for folder in folders)
    dropped = kept = False
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, errors="surrogateescape"
    ) as go:
        assert go.stderr is not None
        for line in go.stderr:
            if line.endswith(ends):
                dropped = True
                continue
            kept = True
            sys.stderr.write(line)
    return 0 if dropped and not kept else go.returncode
