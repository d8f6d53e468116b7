// Says of each token on its input whether go-oidc verifies it by the keys at a URL: a verifier of another make.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		// A new set each time: it keeps no key that it has seen before.
		keys := oidc.NewRemoteKeySet(context.Background(), os.Args[1])
		if _, err := keys.VerifySignature(context.Background(), lines.Text()); err != nil {
			// Quoted, for it holds what a server answered: one line for each token, whatever that is.
			fmt.Printf("no: %q\n", err.Error())
		} else {
			fmt.Println("yes")
		}
	}
}
