// Without cgo: a static program that starts others.
package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	out, err := exec.Command("sh", "-c", "echo child; exit 3").CombinedOutput()
	fmt.Printf("%s%v %q\n", out, err, os.Getenv("LD_PRELOAD"))
	_, err = exec.Command("nothing-here").Output()
	fmt.Println(err != nil)
	os.Exit(4)
}
