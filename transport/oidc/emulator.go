package oidc

import (
	"errors"
	"strings"
)

// What tells an emulator's tokens from Google's.
const (
	emulatorKeys     = "emulator-"                         // ids of its keys begin so
	emulatorAccounts = "@emulator.iam.gserviceaccount.com" // the drivers' accounts at one, by default
)

// advise adds to the error of a token without a key what helps where an emulator has signed it, and Google is asked for
// the key. That is what the token says of itself, and good for a log only.
func (v *verifier) advise(err error, t *verification) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || v.keys.url != DefaultKeysURL {
		return err
	}
	c, _ := readClaims(t.jws.UnsafePayloadWithoutVerification())
	if strings.HasPrefix(t.keyID, emulatorKeys) || strings.HasSuffix(c.Email, emulatorAccounts) {
		e.advice = "the tokens of an emulator need oidc.KeysURL"
	}
	return err
}
