"""`python -m fairlead.testing.stdlib`: measure packages, judge, and write the page."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from fairlead.errors import FairleadError, UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.toolchain import find_toolchain
from fairlead.plugins import installed
from fairlead.testing.stdlib.lists import read_lists
from fairlead.testing.stdlib.page import write_page
from fairlead.testing.stdlib.results import Results
from fairlead.testing.stdlib.session import Session, verdicts

__all__ = ["main"]


@click.command()
@click.option("--lists", "folder", required=True, type=click.Path(path_type=Path), help="Their folder.")
@click.option("--page", type=click.Path(path_type=Path), help="The page to write.")
@click.option("--port", "ports", multiple=True, metavar="PORT", help="Only this port; all if none is named.")
@click.option("--only", multiple=True, metavar="PACKAGE", help="Only this package, or a pattern as go has.")
@click.option("--missing", is_flag=True, help="Only what the results do not hold yet.")
@click.option("--unlisted", is_flag=True, help="Only packages with a difference that is not listed.")
@click.option("--judge", "judge_only", is_flag=True, help="Measure nothing.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Packages at a time.")
@click.option(
    "--limit", type=click.IntRange(1), default=300, show_default=True,
    help="Seconds of host time for one run of a package.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Keep what tests print that are not listed, a file a package.",
)  # fmt: skip
def main(
    folder: Path,
    page: Path | None,
    ports: tuple[str, ...],
    only: tuple[str, ...],
    missing: bool,
    unlisted: bool,
    judge_only: bool,
    jobs: int,
    limit: int,
    output: Path | None,
) -> int:
    """Compare the standard library's tests on ports with stock Linux, by name.

    FOLDER holds differences.toml, exclusions.toml and, kept up to date as packages end, results.json.
    """
    known = installed().ports
    for port in ports:
        if port not in known:
            raise UsageError(f"there is no port {port!r}", hint=f"installed: {', '.join(sorted(known))}")
    lists = read_lists(folder)
    toolchain = find_toolchain()
    path = folder / "results.json"
    results = Results.load(path, toolchain.version)
    if not judge_only:
        chosen = {name: known[name] for name in ports or sorted(known)}
        session = Session(toolchain, Cache(), lists, results, path, jobs=jobs, limit=limit, output=output)
        session.run(chosen, only or ("std",), missing=missing, unlisted=unlisted)
    found = verdicts(results, lists)
    if page is not None:
        write_page(page, results, lists, found)
    for line in found.lines:
        print(line)
    return 0 if found.well else 1


def _main() -> int:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # go is ended, too
    try:
        result = main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except click.ClickException as error:
        print(f"fairlead: {error.format_message()}", file=sys.stderr)
        return 2
    except FairleadError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(_main())
