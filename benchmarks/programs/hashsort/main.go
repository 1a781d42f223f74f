// Hashsort is plain computing: SHA-256 of 8 MiB, then a sort of 200,000 numbers.
package main

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

func main() {
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	fmt.Printf("%x\n", sha256.Sum256(data))
	numbers := make([]uint64, 200_000)
	seed := uint64(1)
	for i := range numbers {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		numbers[i] = seed
	}
	slices.Sort(numbers)
	fmt.Println(slices.IsSorted(numbers), numbers[0])
}
