"""`fairlead upgrade` as it is used: the toolchain at hand, and copies of it that pass for later versions."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead.guest.edits import Known, read_edits
from fairlead.guest.overlay import known_versions
from fairlead.guest.toolchain import find_toolchain
from fairlead.plugins import installed

ROOT = Path(__file__).resolve().parents[2]
SUPPORTED = ("1.26.6", "1.27.3")
RT0 = "src/runtime/rt0_linux_riscv64.s"
SYS = "src/runtime/sys_linux_riscv64.s"


def test_shipped_ports_are_known_good_with_two_minor_versions() -> None:
    ports = [port for port in installed().ports.values() if port.guest.overlay is not None]
    assert {port.name for port in ports} >= {"akaros", "opensbi"}
    for port in ports:
        if (ROOT / "ports") in Path(str(port.guest.overlay)).parents:
            assert set(SUPPORTED) <= set(known_versions(port)), port.name


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (2, "missing option '--go'", ["--port=opensbi"]),
        (2, "missing option '--port'", ["--go=1.27.3"]),
        (2, "no port is called 'none'", ["--port=none", "--go=1.27.3"]),
        (2, "--go 'newest' is no Go version", ["--port=opensbi", "--go=newest"]),
        (125, "--go /none names /none, where no Go toolchain is", ["--port=opensbi", "--go=/none"]),
        (2, "'/none' does not exist", ["--port=opensbi", "--go=1.27.3", "--program=/none"]),
    ],
)
def test_wrong_use(fairlead, code: int, said: str, words: list[str]) -> None:
    ran = fairlead("upgrade", *words)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith("fairlead: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def copy_of_go(folder: Path, version: str, path: str, change: tuple[str, str]) -> Path:
    """A GOROOT of links to the one at hand, but for one file, and with a version of its own."""
    goroot = find_toolchain().goroot
    (folder / "src" / "runtime").mkdir(parents=True)
    for place in ("", "src", "src/runtime"):
        for each in (goroot / place).iterdir():
            if not (folder / place / each.name).exists():
                (folder / place / each.name).symlink_to(each)
    for name, text in {
        "VERSION": f"go{version}\n",
        path: (goroot / path).read_text().replace(*change),
    }.items():
        (folder / name).unlink()
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The example port, installed from a copy whose edits.toml may be written."""
    site = tmp_path / "site"
    info = site / "skiffs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skiffs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fairlead]\nskiff = fairlead_skiff.plugin\n")
    shutil.copytree(ROOT / "examples" / "skiff" / "fairlead_skiff", site / "fairlead_skiff")
    return site


@pytest.mark.slow
def test_versions_that_pass_are_listed_and_others_say_where_they_break(
    fairlead, site: Path, tmp_path: Path
) -> None:
    toolchain = find_toolchain()
    good = copy_of_go(tmp_path / "good", "1.97.10", RT0, ("// argc\n", "// argc\n\t// a remark\n"))
    late = copy_of_go(tmp_path / "late", "1.98.1", SYS, ("runtime·nanotime1(SB)", "runtime·nanotime2(SB)"))
    later = copy_of_go(tmp_path / "later", "1.99.1", SYS, ("runtime·nanotime1(SB)", "runtime·nanotime2(SB)"))
    edits = site / "fairlead_skiff" / "overlay" / "edits.toml"

    def upgrade(*words: str) -> CompletedProcess[str]:
        choice = ["--port=skiff", *(f"--go={each}" for each in (later, late, good, toolchain.version))]
        before = os.environ.get("PYTHONPATH")
        path = os.pathsep.join((str(site), before)) if before else str(site)
        ran: CompletedProcess[str] = fairlead("upgrade", *choice, *words, "errors", env={"PYTHONPATH": path})
        return ran

    ran = upgrade()
    assert (ran.returncode, ran.stderr) == (1, "")
    sha256 = hashlib.sha256((good / RT0).read_bytes()).hexdigest()
    said = ran.stdout.splitlines()
    assert f'    {{ go = "1.97.10", sha256 = "{sha256}" }}' in said
    assert "skiff: 'edits apply' breaks first with Go 1.98.1" in said
    problem = said.index(
        f"skiff with Go 1.98.1: edits apply: {SYS}: "
        "the anchor of edit 'nanotime-from-csr' is there 0 times, 1 expected"
    )
    assert said[problem + 1 : problem + 3] == [
        "    its anchor:",
        "    TEXT runtime·nanotime1(SB),NOSPLIT,$40-8",
    ]
    assert "TEXT runtime·nanotime2(SB),NOSPLIT,$40-8" in said[problem + 3]
    assert "1.97.10" not in edits.read_text()

    ran = upgrade("--write", "--json")
    assert (ran.returncode, ran.stderr) == (1, "")
    document = json.loads(ran.stdout)
    assert (document["schema"], document["version"], document["ok"]) == ("fairlead/upgrade", 1, False)
    trials = {each["go"]: each for each in document["trials"]}
    assert list(trials) == [toolchain.version, "1.97.10", "1.98.1", "1.99.1"]
    assert [each["status"] for each in trials["1.97.10"]["passes"]] == ["ok"] * 4
    assert [each["status"] for each in trials["1.98.1"]["passes"]] == ["failed"] + ["not reached"] * 3
    assert document["first_break"] == {"skiff": {"edits apply": "1.98.1"}}
    assert list(document["written"]) == [str(edits)]
    by_path = {file.path: file.known for file in read_edits(edits)}
    assert by_path[RT0][-1] == Known("1.97.10", sha256)
    assert [known.go for known in by_path[SYS]] == [toolchain.version, "1.97.10"]
    assert by_path[SYS][0].sha256 == by_path[SYS][1].sha256
