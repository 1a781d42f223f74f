package bench

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"testing"
)

type book struct {
	Title  string            `json:"title"`
	Pages  int               `json:"pages"`
	Price  float64           `json:"price"`
	Tags   []string          `json:"tags"`
	Extras map[string]string `json:"extras"`
}

func BenchmarkJSON(b *testing.B) {
	books := make([]book, 20)
	for i := range books {
		books[i] = book{
			Title: fmt.Sprintf("volume %d", i), Pages: 100 * i, Price: 9.5 + float64(i),
			Tags: []string{"go", "ports"}, Extras: map[string]string{"shelf": "b", "state": "good"},
		}
	}
	b.ResetTimer()
	for range b.N {
		text, err := json.Marshal(books)
		if err != nil {
			b.Fatal(err)
		}
		var again []book
		if err := json.Unmarshal(text, &again); err != nil || len(again) != len(books) {
			b.Fatal(len(again), err)
		}
	}
}

// noise fills a slice with numbers that are the same everywhere (xorshift64).
func noise(numbers []uint64) {
	state := uint64(0x9e3779b97f4a7c15)
	for i := range numbers {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		numbers[i] = state
	}
}

func BenchmarkSHA256(b *testing.B) {
	data := make([]byte, 64<<10)
	b.SetBytes(int64(len(data)))
	for range b.N {
		sum := sha256.Sum256(data)
		data[0] = sum[0]
	}
}

func BenchmarkSort(b *testing.B) {
	numbers, work := make([]uint64, 10_000), make([]uint64, 10_000)
	noise(numbers)
	b.ResetTimer()
	for range b.N {
		copy(work, numbers)
		slices.Sort(work)
	}
}

// prose is text of words that come again, about as compressible as English.
func prose(size int) []byte {
	words := []string{"the ", "ring ", "leads ", "a ", "line ", "where ", "it ", "must ", "go, ", "said 1984. "}
	numbers := make([]uint64, size)
	noise(numbers)
	var text bytes.Buffer
	for i := 0; text.Len() < size; i++ {
		text.WriteString(words[numbers[i]%uint64(len(words))])
	}
	return text.Bytes()[:size]
}

func BenchmarkCompress(b *testing.B) {
	text := prose(64 << 10)
	writer, err := flate.NewWriter(io.Discard, flate.DefaultCompression)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ResetTimer()
	for range b.N {
		writer.Reset(io.Discard)
		if _, err := writer.Write(text); err != nil {
			b.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRegexp(b *testing.B) {
	text := prose(16 << 10)
	expression := regexp.MustCompile(`(\w+) it must (go|lead)|[0-9]{4}\.`)
	b.SetBytes(int64(len(text)))
	b.ResetTimer()
	for range b.N {
		if len(expression.FindAllIndex(text, -1)) == 0 {
			b.Fatal("nothing found")
		}
	}
}
