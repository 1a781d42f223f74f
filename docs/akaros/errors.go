// Errors: what Akaros' kernel says of a failed call, and what Go's library makes of it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func main() {
	os.Chdir(os.TempDir())
	os.Mkdir("ship", 0o755)
	_, err := os.Open("/no/such")
	fmt.Println(err)
	_, err = os.Open("ship/no/such")
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOENT), os.IsNotExist(err))
	var aka *syscall.AkaError
	if errors.As(err, &aka) {
		fmt.Printf("errno %d, errstr %q\n", aka.Errno(), aka.Errstr())
	}
	fmt.Println(os.Mkdir("ship", 0o755))
	os.Mkdir("ship/mast", 0o755)
	fmt.Println(os.Remove("ship"))
}
