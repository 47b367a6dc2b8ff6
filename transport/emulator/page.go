package emulator

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"time"
)

// tokenLife is how long a page token is good for.
const tokenLife = 2 * time.Hour

// pageToken encodes where a list goes on. what is the request that it belongs to.
func pageToken(what, position string, now time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(now.Add(tokenLife).UnixNano()))
	b = append(b, position...)
	b = binary.BigEndian.AppendUint64(b, fingerprint(what, b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// openToken returns the position in a token; an empty token is the beginning.
func openToken(token, what string, now time.Time) (position string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 16 {
		return "", invalid("The page token is not valid.")
	}
	b, sum := b[:len(b)-8], binary.BigEndian.Uint64(b[len(b)-8:])
	if sum != fingerprint(what, b) {
		return "", invalid("The page token is not valid: it belongs to another request.")
	}
	if now.UnixNano() > int64(binary.BigEndian.Uint64(b)) {
		return "", invalid("The page token has expired: it is good for two hours.")
	}
	return string(b[8:]), nil
}

func fingerprint(what string, b []byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(what))
	h.Write([]byte{0})
	h.Write(b)
	return h.Sum64()
}

// pageSize resolves the size that a request asks for.
func pageSize(asked int32, most int) (int, error) {
	switch {
	case asked < 0:
		return 0, invalid("The page size cannot be negative.")
	case asked == 0 || int(asked) > most:
		return most, nil
	default:
		return int(asked), nil
	}
}

// listing is a request for a page of what has names.
type listing struct {
	what  string // the request, without the page
	size  int32
	token string
	now   time.Time
}

// onePage returns a page of what list returns in order of names, all of it that comes after a name, and the
// token of the page that follows.
func onePage[T interface{ GetName() string }](l listing, list func(after string) []T) (page []T, next string, err error) {
	size, err := pageSize(l.size, maxResourcesPage)
	if err != nil {
		return nil, "", err
	}
	after, err := openToken(l.token, l.what, l.now)
	if err != nil {
		return nil, "", err
	}
	page = list(after)
	if len(page) > size {
		page = page[:size]
		next = pageToken(l.what, page[size-1].GetName(), l.now)
	}
	return page, next, nil
}
