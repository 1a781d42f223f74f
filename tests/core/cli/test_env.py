from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead.guest.image import load_image

Fairlead = Callable[..., "CompletedProcess[str]"]
Shell = Callable[[str], "CompletedProcess[str]"]

FILES = {
    "go.mod": "module m\n\ngo 1.24\n",
    "main.go": 'package main\n\nvar version = "unset"\n\nfunc main() { println("version", version) }\n',
    "main_test.go": 'package main\n\nimport "testing"\n\nfunc TestIt(t *testing.T) {}\n',
}


@pytest.fixture
def shell(fairlead: Fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that has taken in the lines of `fairlead env`, in a module."""
    for name in ("GOTOOLCHAIN", "CGO_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        (tmp_path / "work" / name).write_text(text)
    done = fairlead("env", "--port", "opensbi")
    assert (done.returncode, done.stderr) == (0, "")

    def shell(script: str) -> CompletedProcess[str]:
        command = ["sh", "-c", f"{done.stdout}\n{script}"]
        return subprocess.run(
            command, cwd=tmp_path / "work", capture_output=True, text=True, timeout=300, check=False
        )

    return shell


def test_sets_what_it_says_and_nothing_else(shell: Shell) -> None:
    before = subprocess.run(["sh", "-c", "env"], capture_output=True, text=True, check=True).stdout
    after = shell("env").stdout
    changed = {line.partition("=")[0] for line in set(after.splitlines()) ^ set(before.splitlines())}
    assert changed - {"PWD", "OLDPWD", "_", "SHLVL"} == {"PATH", "GOTOOLCHAIN", "CGO_ENABLED"}
    assert shell("echo $GOTOOLCHAIN $CGO_ENABLED").stdout == "local 0\n"


def test_eval_as_the_help_says(fairlead: Fairlead) -> None:
    lines = fairlead("env", "--port", "opensbi").stdout
    script = f'eval "$(cat <<"END"\n{lines}END\n)"\ncommand -v go'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert "/shims/" in done.stdout


def test_other_commands_are_the_toolchain_s_own(shell: Shell) -> None:
    assert shell("go env GOOS GOARCH").stdout.split() != ["linux", "riscv64"]
    assert shell("go version").stdout.startswith("go version go1.")
    done = shell("go nosuch")
    assert done.returncode == 2
    assert "unknown command" in done.stderr


@pytest.mark.slow
def test_build_and_tools(shell: Shell, tmp_path: Path) -> None:
    done = shell(
        "go build -o image -ldflags '-s -w -X main.version=seven' . && go tool nm -h; go version image"
    )
    image = load_image(tmp_path / "work" / "image")
    assert image.require_record().port == "opensbi", done.stderr
    assert b"seven" in image.data
    assert "image: go1." in done.stdout
    assert shell("go build -C .. -o image2 ./work").returncode != 0
    assert shell("go -C . build -o image3 .").returncode == 0
    assert load_image(tmp_path / "work" / "image3").record is not None


@pytest.mark.slow
def test_list_vet_and_install(shell: Shell, tmp_path: Path) -> None:
    listed = shell("go list -f '{{.GOARCH}}' internal/goarch; go list -f '{{.SFiles}}' runtime")
    assert "fairlead_linux_riscv64.s" in listed.stdout, listed.stderr
    assert shell("go vet .").returncode == 0
    done = shell("GOPATH=$PWD/path go install .")
    assert done.returncode == 0, done.stderr
    assert load_image(tmp_path / "work/path/bin/linux_riscv64/m").record is not None


def test_an_overlay_of_the_user_s_own(shell: Shell) -> None:
    for script in ("go build -overlay x.json .", "GOFLAGS=-overlay=x.json go build ."):
        done = shell(script)
        assert done.returncode == 2
        assert done.stderr.startswith("fairlead: ")
        assert "overlay" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_run(shell: Shell) -> None:
    assert shell("go run .").stderr == "version unset\n"
    assert shell("GOFLAGS=-ldflags=-X=main.version=nine go run .").stderr == "version nine\n"


@pytest.mark.slow
def test_results_are_never_stale(shell: Shell) -> None:
    for _ in range(2):
        done = shell("go test .")
        assert done.stdout.startswith("ok  \tm\t"), done.stdout + done.stderr
        assert "(cached)" not in done.stdout


@pytest.mark.slow
def test_an_exec_of_the_user_s_own_is_kept(shell: Shell) -> None:
    assert shell("go test -exec false .").returncode == 1
    assert shell("go run -exec echo . one").stdout.endswith(" one\n")


def test_the_exec_string_carries_a_hash_of_what_runs(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen() -> str:
        """The hash in what go says that it would do."""
        done = shell("go test -n . 2>&1")
        return re.findall(r"fairlead exec --port=opensbi --build-hash=([0-9a-f]+)", done.stdout)[0]

    first = seen()
    assert seen() == first
    info = tmp_path / "plugins" / "another-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fairlead]\nanother = another\n")
    (tmp_path / "plugins" / "another.py").write_text("one = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    second = seen()
    (tmp_path / "plugins" / "another.py").write_text("two = 2\n")
    assert len({first, second, seen()}) == 3
