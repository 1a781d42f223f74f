"""A debugged run over a real socket: what each packet does, and how runs and connections end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from gdb_client import Client, DebuggedRun

pytestmark = pytest.mark.slow

PORT = "opensbi"
PORTS = ("akaros", "linux-amd64", "opensbi")
Images = Callable[[str], Path]
_PC = {"akaros": 16, "linux-amd64": 16, "opensbi": 32}


def symbol(image: Path, name: str) -> int:
    with image.open("rb") as file:
        found = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(name)
        address: int = found[0]["st_value"]
        return address


@pytest.fixture
def run(image_for: Images) -> Iterator[DebuggedRun]:
    with DebuggedRun(PORT, image_for(PORT)) as started:
        yield started


@pytest.fixture
def client(run: DebuggedRun) -> Client:
    return run.attach()


def number(text: str) -> int:
    """A register's bytes as a number."""
    return int.from_bytes(bytes.fromhex(text), "little")


def stop(reply: str) -> tuple[int, int]:
    """(signal, thread) of a stop reply."""
    match = re.fullmatch(r"T([0-9a-f]{2})(?:[a-z]+:[0-9a-f]*;)*thread:([0-9a-f]+);", reply)
    assert match is not None, reply
    return int(match[1], 16), int(match[2], 16)


def test_a_conversation(run: DebuggedRun, client: Client, image_for: Images, expected: str) -> None:
    image = image_for(PORT)
    assert "QStartNoAckMode+" in client.ask("qSupported:swbreak+;multiprocess+")
    assert client.ask("vMustReplyEmpty") == client.ask("qNoSuchThing:1") == client.ask("J1") == ""
    assert client.ask("qAttached") == "0"
    assert client.ask("?") == "T05thread:1;"
    client.stop_acknowledging()
    assert client.ask("qC") == "QC1"
    assert (client.ask("qfThreadInfo"), client.ask("qsThreadInfo")) == ("m1", "l")
    assert bytes.fromhex(client.ask("qThreadExtraInfo,1")).endswith(b" running")
    assert client.ask("T1") == client.ask("Hg1") == client.ask("Hc-1") == client.ask("Hg0") == "OK"
    assert client.ask("T63") == client.ask("Hg63") == "E03"
    with image.open("rb") as file:
        entry = ELFFile(file)["e_entry"]
    assert number(client.ask("p20")) == entry
    work, total = symbol(image, "main.work"), symbol(image, "main.total")
    assert client.ask(f"Z0,{work:x},2") == client.ask(f"Z2,{total:x},8") == "OK"
    assert client.ask("vCont?") == "vCont;c;C;s;S"
    assert client.ask("vCont;c") == "T05swbreak:;thread:1;"
    assert number(client.ask("p20")) == work
    assert number(client.ask("pb")) == 4  # a1: Go's second argument
    assert client.ask(f"z0,{work:x},2") == "OK"
    assert client.ask("vCont;c") == f"T05watch:{total:x};thread:1;"
    assert client.ask(f"m{total:x},8") == f"{18:02x}" + "0" * 14
    assert client.ask(f"z2,{total:x},8") == "OK"
    assert stop(client.ask("vCont;c")) == (11, 1)
    assert client.ask("vCont;C0b") == "W00"
    assert run.end() == (0, expected, "")


def test_features_in_parts_are_the_whole(client: Client) -> None:
    text, place = "", 0
    while True:
        part = client.ask(f"qXfer:features:read:target.xml:{place:x},100")
        text += part[1:]
        place += len(part) - 1
        if part[0] == "l":
            break
    assert "<architecture>riscv:rv64</architecture>" in text
    assert text.count("<reg ") == 33 + 32 + 3
    assert client.ask("qXfer:features:read:other.xml:0,10") == "E00"
    assert client.ask("qXfer:auxv:read::0,10") == ""


@pytest.mark.parametrize("port", PORTS)
def test_registers_and_memory_can_be_changed(port: str, image_for: Images) -> None:
    with DebuggedRun(port, image_for(port)) as run:
        client = run.attach()
        client.stop_acknowledging()
        whole = client.ask("g")
        assert client.ask("G" + whole) == "OK"
        assert client.ask("g") == whole
        count = client.ask("qXfer:features:read:target.xml:0,2000").count("<reg ")
        parts = [client.ask(f"p{each:x}") for each in range(count)]
        assert "".join(parts) == whole
        for each, before in enumerate(parts):
            if each != _PC[port] and "x" not in before:
                value = "01" + "00" * (len(before) // 2 - 1)
                assert client.ask(f"P{each:x}={value}") == "OK"
                after = client.ask(f"p{each:x}")
                fixed = (number(before), 0x203, 0x1)  # zero, orig_rax, eflags
                assert number(after) in fixed, each
                assert client.ask(f"P{each:x}={before}") == "OK"
        # fcsr comes after its parts, which share its bits
        assert client.ask("g") == whole
        assert client.ask(f"p{count:x}") == client.ask("P1=00") == client.ask("P0") == "E16"
        total = symbol(image_for(port), "main.total")
        assert client.ask(b"X%x,0:" % total) == "OK"
        assert client.ask(b"X%x,3:}\x03}\x04\x01" % total) == "OK"
        assert client.ask(f"m{total:x},4") == "23240100"
        assert client.ask(f"M{total:x},4:0a0b0c0d") == "OK"
        assert client.ask(f"m{total:x},4") == "0a0b0c0d"
        assert client.ask("m0,4") == client.ask("M0,1:00") == client.ask("mffffffffffffffff,8") == "E0e"


def test_wrong_packets_are_refused_and_harm_nothing(run: DebuggedRun, client: Client, expected: str) -> None:
    client.stop_acknowledging()
    refused = (
        "m", "mx,y", "m1", "m" + "1" * 17 + ",1", "M1,2:0", "M1,2:00", "X1,2:0", "G0", "p", "pzz", "P1",
        "Hx1", "H", "Tx", "Z0", "Z0,1", "Z2,1,0", "Z2,ffffffffffffffff,2", "Z2,0,fffff", "Zx,1,1", "z0,,",
        "vCont;", "vCont;x", "vCont;c:77", "vCont;C:1", "vCont;Cff", "Czz", "QPassSignals:zz",
        "qThreadExtraInfo,99", "cq",
    )  # fmt: skip
    for packet in refused:
        assert re.fullmatch("E[0-9a-f]{2}", client.ask(packet)), packet
    for packet in ("Z9,1,1", "z9,1,1", "", "!", "vRun;", "vFile:open:00", "R00", "qXfer", "bc", "\xff"):
        assert client.ask(packet) == "", packet
    assert client.ask("QPassSignals:b;10") == "OK"
    assert client.ask("c") == "W00"
    assert run.end() == (0, expected, "")


def test_damage_on_the_wire(run: DebuggedRun, client: Client, expected: str) -> None:
    client.raw(b"noise$qC#00")
    assert client.event()[0].name == "NAK"
    client.raw(b"$qC#b4")
    assert client.event()[0].name == "ACK"
    assert client.event()[1] == b"QC1"
    client.raw(b"-")
    assert client.event()[1] == b"QC1"
    client.raw(b"+$qC#b4$qC#b4")
    assert [client.event()[0].name for _ in range(4)] == ["ACK", "PACKET", "ACK", "PACKET"]
    client.raw(b"+" + b"$" + b"x" * 100_000 + b"#00")
    assert client.event()[0].name == "NAK"
    assert client.ask("D") == "OK"
    assert run.end() == (0, expected, "")


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_a_debugged_run_is_the_run_without_a_debugger(
    port: str,
    counter: str,
    image_for: Images,
    fairlead: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    expected: str,
) -> None:
    """Output, guest time, work and all that is counted, with hundreds of stops of every kind."""
    image = image_for(port)
    plain, debugged = tmp_path / "plain.json", tmp_path / "debugged.json"
    assert fairlead("run", "--port", port, "--counter", counter, "--result", plain, image).stdout == expected
    allocate = symbol(image, "runtime.mallocgc")
    with DebuggedRun(port, image, "--counter", counter, "--result", str(debugged)) as run:
        client = run.attach()
        client.stop_acknowledging()
        assert client.ask(f"Z1,{allocate:x},1") == "OK"
        signal, thread = stop(client.ask("vCont;c"))
        for _ in range(100):
            assert (signal, thread) == (5, thread)
            client.ask("g")
            signal, thread = stop(client.ask(f"vCont;s:{thread:x};c"))
        for n in range(40):
            assert client.ask("c").startswith("T05hwbreak:;")
            if n % 10 == 0:
                for _ in range(20):
                    assert stop(client.ask("s"))[0] == 5
        client.ask(f"z1,{allocate:x},1")
        assert stop(client.ask("c"))[0] == 11
        assert client.ask("C0b") == "W00"
        assert run.end() == (0, expected, "")
    assert json.loads(debugged.read_text()) == json.loads(plain.read_text())


def test_signals_stop_pass_change_and_are_made(image_for: Images) -> None:
    image = image_for("linux-amd64")
    with DebuggedRun("linux-amd64", image, arguments=("signal",)) as run:
        client = run.attach()
        assert stop(client.ask("c"))[0] == 30  # SIGUSR1 in gdb's count
        assert stop(client.ask("C1e"))[0] == 11
        assert stop(client.ask("c"))[0] == 11  # swallowed: the instruction faults again
        assert client.ask("C0b") == "W00"
        assert run.end()[1].splitlines()[1] == "caught user defined signal 1"
    with DebuggedRun("linux-amd64", image, arguments=("signal",)) as run:
        client = run.attach()
        assert client.ask("QPassSignals:1e;b") == "OK"
        assert client.ask("c") == "W00"
        assert run.end()[1].splitlines()[1] == "caught user defined signal 1"
    with DebuggedRun("linux-amd64", image) as run:
        client = run.attach()
        assert client.ask("C09") == "X09"
        assert run.end()[0] == 128 + 9


@pytest.mark.parametrize(("word", "packet", "code"), [("exit", "W07", 7), ("crash", "X09", 137)])
def test_how_the_guest_ended_is_told(word: str, packet: str, code: int, image_for: Images) -> None:
    with DebuggedRun("linux-amd64", image_for("linux-amd64"), arguments=(word,)) as run:
        client = run.attach()
        assert client.ask("QPassSignals:b;9") == "OK"
        assert client.ask("c") == packet
        assert client.hangs_up()
        assert run.end()[0] == code


def test_an_error_of_the_run_is_told_as_its_exit_code(image_for: Images) -> None:
    with DebuggedRun(PORT, image_for(PORT), "--max-time", "100us") as run:
        assert run.attach().ask("c") == "W7c"
        code, _output, errors = run.end()
        assert (code, errors.startswith("fairlead: the guest ran past --max-time")) == (124, True)


@pytest.mark.parametrize("port", PORTS)
def test_control_c_stops_a_guest_that_runs(port: str, image_for: Images) -> None:
    with DebuggedRun(port, image_for(port), arguments=("forever",)) as run:
        client = run.attach()
        client.stop_acknowledging()
        client.ask("QPassSignals:10")
        for _ in range(3):
            client.send("c")
            client.raw(b"\x03")
            assert stop(client.receive())[0] == 2
        threads = client.ask("qfThreadInfo")[1:].split(",")
        assert len(threads) > 1
        counters = set()
        for thread in threads:
            assert client.ask(f"Hg{thread}") == "OK"
            counters.add(number(client.ask(f"p{_PC[port]:x}")))
            assert bytes.fromhex(client.ask(f"qThreadExtraInfo,{thread}"))
        assert len(counters) > 1
        client.send("k")
        assert run.end()[0] == 128 + 9


@pytest.mark.parametrize("port", PORTS)
def test_control_c_stops_a_guest_that_waits(port: str, image_for: Images) -> None:
    with DebuggedRun(port, image_for(port), "--clock", "host", arguments=("sleep",)) as run:
        client = run.attach()
        client.stop_acknowledging()
        client.ask("QPassSignals:10")
        allocate = symbol(image_for(port), "time.Sleep")
        client.ask(f"Z0,{allocate:x},1")
        assert stop(client.ask("c"))[0] == 5
        client.ask(f"z0,{allocate:x},1")
        for _ in range(3):
            client.send("c")
            assert client.silent()
            client.raw(b"\x03")
            assert stop(client.receive())[0] == 2
        client.socket.close()
        assert run.end()[0] == 128 + 9


@pytest.mark.parametrize(
    ("port", "counter", "value"),
    [
        ("linux-amd64", 16, 0xDEAD_0000_1234_5678),
        ("linux-amd64", 16, 0xFFFF_FFFF_8000_0000),
        ("opensbi", 32, 0x8020_0001),
        ("opensbi", 32, 0xFFFF_FFFF_FFFF_FFFF),
    ],
)
def test_a_guest_sent_nowhere_faults_there(port: str, counter: int, value: int, image_for: Images) -> None:
    with DebuggedRun(port, image_for(port)) as run:
        client = run.attach()
        assert client.ask(f"P{counter:x}={value.to_bytes(8, 'little').hex()}") == "OK"
        assert stop(client.ask("c"))[0] in (4, 10, 11)
        client.send("k")
        assert run.end()[0] == 128 + 9


def test_a_debugger_that_detaches_leaves_the_guest_running(
    run: DebuggedRun, client: Client, image_for: Images, expected: str
) -> None:
    work = symbol(image_for(PORT), "main.work")
    client.ask(f"Z0,{work:x},2")
    client.ask("c")
    assert client.ask("D") == "OK"
    assert client.hangs_up()
    assert run.end() == (0, expected, "")


def test_a_kill_is_a_kill(run: DebuggedRun, client: Client) -> None:
    assert client.ask("vKill;1") == "OK"
    assert run.end() == (128 + 9, "", "")


@pytest.mark.parametrize("running", [False, True])
def test_a_connection_that_ends_ends_the_run(running: bool, image_for: Images) -> None:
    with DebuggedRun(PORT, image_for(PORT), arguments=("forever",)) as run:
        client = run.attach()
        client.ask("QPassSignals:10")
        if running:
            client.send("c")
        client.socket.close()
        code, _output, errors = run.end()
        assert code == 128 + 9
        assert errors == "fairlead: the debugger's connection has ended, and the guest with it\n"


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_host_s_signal_ends_a_run_that_waits(number: int, attached: bool, run: DebuggedRun) -> None:
    client = run.attach() if attached else None
    if client is not None:
        client.ask("?")
    run.process.send_signal(number)
    if client is not None:
        assert client.receive() == f"X{number:02x}"
    assert run.end() == (128 + number, "", "")


def test_a_second_debugger_finds_nobody(run: DebuggedRun, client: Client) -> None:
    client.ask("?")
    with pytest.raises(ConnectionRefusedError):
        run.attach()


def test_a_port_in_use_and_one_that_is_none(
    fairlead: Callable[..., subprocess.CompletedProcess[str]], image_for: Images
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = fairlead("run", "--port", PORT, "--gdb", str(port), image_for(PORT))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"fairlead: --gdb: cannot listen at 127.0.0.1:{port}: Address already in use; "
        "name another port; 0 takes a free one\n"
    )
    done = fairlead("run", "--port", PORT, "--gdb", "no", image_for(PORT))
    assert done.returncode == 2
    assert done.stderr.startswith("fairlead: --gdb 'no' names no port; ")
