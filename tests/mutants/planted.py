"""`python planted.py MUTANT COMMAND…`: the fairlead command with one fault in it."""

from __future__ import annotations

import sys

from mutant import plant

from mutants import MUTANTS

if __name__ == "__main__":
    from fairlead.cli.main import main

    plant(MUTANTS[sys.argv[1]])
    main(sys.argv[2:])
