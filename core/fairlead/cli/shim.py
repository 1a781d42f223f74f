"""What the `go` of `fairlead env` starts for commands that build guest code; not for use by hand."""

from __future__ import annotations

import os
import sys

from fairlead.errors import FairleadError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.identity import host_hash
from fairlead.guest.overlay import make_overlay
from fairlead.guest.toolchain import find_toolchain
from fairlead.guest.vetting import new_folders, vet
from fairlead.plugins import find_port

__all__ = ["main"]

_UNTESTED = "--allow-untested-go"


def main(arguments: list[str]) -> int:
    """Become the go command that the arguments (a port, `--allow-untested-go`, go's own) stand for."""
    name, *words = arguments
    allow_untested = words[:1] == [_UNTESTED]
    words = words[allow_untested:]
    try:
        port = find_port(name)
        cache = Cache()
        toolchain = find_toolchain()
        overlay = make_overlay(port, toolchain, cache, allow_untested=allow_untested)
        link, environment = take_goflags(go_environment(port, toolchain, cache))
        new = new_folders(overlay)
        adapted = adapt(words, port, overlay.flags(), runner(port, host_hash()), link, vets=not new)
        if new and "vet" in words[:3]:  # -C and its folder may stand in front
            return vet([str(toolchain.go), *adapted], environment, new)
        os.execve(toolchain.go, [str(toolchain.go), *adapted], environment)
    except FairleadError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"fairlead: go cannot be run: {error}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
