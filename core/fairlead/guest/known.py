"""For who maintains a port: `python -m fairlead.guest.known EDITS.TOML` lists the Go at hand as known good.

Do it after the port's tests have passed with that Go (and `--allow-untested-go`). FAIRLEAD_GO names another.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from fairlead.errors import FairleadError, PortError
from fairlead.guest.edits import apply_edits, read_edits
from fairlead.guest.toolchain import Toolchain, find_toolchain

__all__ = ["record_hashes"]


def record_hashes(edits: Path, toolchain: Toolchain) -> list[str]:
    """Add the toolchain's sources to the `known` lists of an edits.toml; the paths that were added to.

    Every edit must fit. The file's other text stays as it is.
    """
    text = edits.read_text("utf-8")
    changed: list[str] = []
    for file in read_edits(edits):
        data = (toolchain.goroot / file.path).read_bytes()
        apply_edits(file, data.decode("utf-8"), toolchain.version)
        sha256 = hashlib.sha256(data).hexdigest()
        if any((known.go, known.sha256) == (toolchain.version, sha256) for known in file.known):
            continue
        # The list ends at the first "]" after the path: neither versions nor hashes hold one.
        place = re.compile(
            rf'^path = "{re.escape(file.path)}"[^\[]*^known = \[[^\]]*?(?=\s*,?\s*\])', re.MULTILINE
        )
        match = place.search(text)
        if match is None:
            raise PortError(f"{edits}: {file.path} has no `known = [...]` right after its path")
        comma = "," if file.known else ""
        entry = f'{comma} {{ go = "{toolchain.version}", sha256 = "{sha256}" }}'
        text = text[: match.end()] + entry + text[match.end() :]
        changed.append(file.path)
    edits.write_text(text, "utf-8")
    return changed


if __name__ == "__main__":
    try:
        for path in record_hashes(Path(sys.argv[1]), find_toolchain()):
            print(path)
    except FairleadError as error:
        sys.exit(error.line())
