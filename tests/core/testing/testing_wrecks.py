"""A distribution of bad ports (wrecks.py), installed beside this one, and a program that calls every hook."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.plugins import _quick, installed

__all__ = ["PROGRAM", "installed_wrecks"]

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """\
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

var nothing *int

// faults takes a nil pointer's trap and its signal.
func faults() {
	defer func() { recover() }()
	*nothing = 1
}

func main() {
	var threads sync.WaitGroup
	for range 2 {
		threads.Go(func() {
			runtime.LockOSThread()
			for start := time.Now(); time.Since(start) < time.Millisecond; {
			}
		})
	}
	threads.Wait()
	for range 8 {
		faults()
	}
	fmt.Println("ok")
}
"""


@contextmanager
def installed_wrecks(site: Path) -> Iterator[dict[str, str]]:
    """The bad ports, found in this process; the environment in which others find them is yielded."""
    info = site / "wrecks-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "wrecks.py").symlink_to(Path(__file__).parent / "wrecks.py")
    (site / "fairlead_skiff").symlink_to(ROOT / "examples" / "skiff" / "fairlead_skiff")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wrecks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fairlead]\nwrecks = wrecks\n")
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join((str(site), before)) if before else str(site)
    sys.path.append(str(site))
    os.environ["PYTHONPATH"] = path  # for the runs that a trial starts
    _forget()
    try:
        yield {"PYTHONPATH": path}
    finally:
        sys.path.remove(str(site))
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
        _forget()


def _forget() -> None:
    """What was found of plugins is looked for again."""
    for name in [each for each in sys.modules if each.split(".")[0] in ("wrecks", "fairlead_skiff")]:
        del sys.modules[name]
    installed.cache_clear()
    _quick.cache_clear()
