package manage_test

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestPairs_TheSameTwice_IsAMistake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.deployed(t)
		welcome, orders := []string{"enqueue", "Welcome", "--data", ana}, []string{"publish", "orders", "--data", `{"id": 7}`}
		for _, c := range []struct {
			of    []string
			flags string
			code  int
			says  string
		}{
			{welcome, "--header x-a=1 --header X-A=2", 2, `--header: "X-A" is given twice: "x-a" is the same`},
			{welcome, "--header X-A=1 --header X-B=2 --header x-A=1", 2, `--header: "x-A" is given twice: "X-A" is the same`},
			{welcome, "--header x-a=1 --header x-a=2", 2, `--header: "x-a" is given twice` + "\n"},
			{welcome, "--header x-a=1 --header x_a=2", 0, "enqueued Welcome"},
			{orders, "--attribute a=1 --attribute a=2", 2, `--attribute: "a" is given twice` + "\n"},
			{orders, "--attribute a=1 --attribute A=2", 0, "published orders"},
		} {
			run(t, s.app, append(c.of, strings.Fields(c.flags)...)...).want(t, c.code, c.says)
		}
	})
}
