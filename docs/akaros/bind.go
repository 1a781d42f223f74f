// Bind: a host's folder, put where the program wants it.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	os.Mkdir("/tmp/root", 0o755)
	fmt.Println(syscall.Nbind("/host", "/tmp/root", 0))
	text, err := os.ReadFile("/tmp/root/go.mod")
	fmt.Printf("%.16q %v\n", text, err)
	folder, _ := os.Open("/host/hello")
	os.Mkdir("/tmp/again", 0o755)
	fmt.Println(syscall.Nmount(int(folder.Fd()), "/tmp/again", 0))
	_, err = os.Stat("/tmp/again/main.go")
	fmt.Println(err)
	fmt.Println(syscall.Nunmount("", "/tmp/root"))
}
