from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = """package main

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type box struct {
	name string
	n    int
}

var total int

//go:noinline
func work(b *box, times int) int {
	sum := 0
	for i := 0; i < times; i++ {
		sum += i * b.n
	}
	total += sum
	return sum
}

//go:noinline
func deref(p *int) (v int, err any) {
	defer func() { err = recover() }()
	return *p, nil
}

func main() {
	b := &box{"crate", 3}
	fmt.Println("work", work(b, 4))
	var group sync.WaitGroup
	for n := range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			work(&box{"crate", n}, 100)
		}()
	}
	group.Wait()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "signal":
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, syscall.SIGUSR1)
			syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
			fmt.Println("caught", <-caught)
		case "forever":
			for {
				total++
			}
		case "sleep":
			time.Sleep(time.Hour)
		case "exit":
			os.Exit(7)
		case "crash":
			syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	_, err := deref(nil)
	fmt.Println("total", total, err)
}
"""
OUTPUT = "work 18\ntotal 14868 runtime error: invalid memory address or nil pointer dereference\n"


@pytest.fixture(scope="session")
def image_for(
    fairlead: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The program above, built for a port, once."""
    folder = tmp_path_factory.mktemp("debugged")
    (folder / "main.go").write_text(SOURCE)
    built: dict[str, Path] = {}

    def build(port: str) -> Path:
        if port not in built:
            image = folder / f"main.{port}"
            done = fairlead("build", "--port", port, "-o", image, folder / "main.go")
            assert done.returncode == 0, done  # type: ignore[attr-defined]
            built[port] = image
        return built[port]

    return build


@pytest.fixture(scope="session")
def expected() -> str:
    """What the program prints when nobody looks."""
    return OUTPUT
