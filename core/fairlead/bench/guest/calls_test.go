package bench

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var (
	elapsed time.Duration
	stamp   time.Time
)

// time.Since of a monotonic time is runtime.nanotime and a subtraction.
func BenchmarkNanotime(b *testing.B) {
	start := time.Now()
	for range b.N {
		elapsed = time.Since(start)
	}
}

func BenchmarkTimeNow(b *testing.B) {
	for range b.N {
		stamp = time.Now()
	}
}

func BenchmarkNullSyscall(b *testing.B) {
	for range b.N {
		syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
	}
}

func BenchmarkWriteSmall(b *testing.B) {
	file, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	text := []byte("sixteen bytes.\r\n")
	fd := int(file.Fd())
	b.SetBytes(int64(len(text)))
	b.ResetTimer()
	for range b.N {
		if _, err := syscall.Write(fd, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead64K(b *testing.B) {
	const size = 64 << 10
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	buffer := make([]byte, size)
	fd := int(file.Fd())
	b.SetBytes(size)
	b.ResetTimer()
	for range b.N {
		if n, err := syscall.Pread(fd, buffer, 0); n != size || err != nil {
			b.Fatal(n, err)
		}
	}
}
