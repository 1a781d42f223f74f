// Pipes is a server and its clients in one program, joined by operating-system pipes: the runtime's poller,
// blocking reads, deadlines and os/signal at work.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

type link struct {
	requests, answers *os.File
}

// connect makes a pipe each way; the server's ends go to it over its channel.
func connect(accept chan<- link) (link, error) {
	serverIn, clientOut, err := os.Pipe()
	if err != nil {
		return link{}, err
	}
	clientIn, serverOut, err := os.Pipe()
	if err != nil {
		return link{}, err
	}
	accept <- link{serverIn, serverOut}
	return link{clientOut, clientIn}, nil
}

func serve(accept <-chan link) {
	for each := range accept {
		go func() {
			defer each.answers.Close()
			lines := bufio.NewScanner(each.requests)
			for lines.Scan() {
				fmt.Fprintln(each.answers, strings.ToUpper(lines.Text()))
			}
		}()
	}
}

func client(accept chan<- link, number int) (string, error) {
	to, err := connect(accept)
	if err != nil {
		return "", err
	}
	defer to.answers.Close()
	answers := bufio.NewReader(to.answers)
	for i := range 100 {
		fmt.Fprintf(to.requests, "client %d says %d\n", number, i)
		answer, err := answers.ReadString('\n')
		if err != nil {
			return "", err
		}
		if want := fmt.Sprintf("CLIENT %d SAYS %d\n", number, i); answer != want {
			return "", fmt.Errorf("got %q, want %q", answer, want)
		}
	}
	to.requests.Close()
	return fmt.Sprintf("client %d: 100 answers", number), nil
}

func deadline() error {
	reader, _, err := os.Pipe()
	if err != nil {
		return err
	}
	if err := reader.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		return err
	}
	_, err = reader.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a read past its deadline gave %v", err)
	}
	return nil
}

func main() {
	accept := make(chan link)
	go serve(accept)

	var group sync.WaitGroup
	results := make([]string, 4)
	for i := range results {
		group.Go(func() {
			said, err := client(accept, i)
			if err != nil {
				said = "FAILED: " + err.Error()
			}
			results[i] = said
		})
	}
	group.Wait()
	fmt.Println(strings.Join(results, "\n"))

	if err := deadline(); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("a blocked read met its deadline")

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR1); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("caught:", <-signals)
}
