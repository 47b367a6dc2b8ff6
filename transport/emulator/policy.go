package emulator

import (
	"bytes"
	"crypto/sha256"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// orNoPolicy is what a resource without a policy answers, too.
func orNoPolicy(p *iampb.Policy) *iampb.Policy {
	if p != nil {
		return p
	}
	return &iampb.Policy{Etag: []byte{0, 0x20, 0x01}} // "ACAB", as Google answers where none was set
}

// nextPolicy returns what replaces a policy, unless the etag is that of an older one.
func nextPolicy(old, p *iampb.Policy) (*iampb.Policy, error) {
	if len(p.Etag) > 0 && !bytes.Equal(p.Etag, orNoPolicy(old).Etag) {
		return nil, status.Error(codes.Aborted, "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.")
	}
	p = proto.CloneOf(p)
	p.Etag = nil
	sum := sha256.Sum256([]byte(marshal(p)))
	p.Etag = sum[:8]
	return p, nil
}
