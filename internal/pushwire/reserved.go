package pushwire

import (
	"net/textproto"
	"strings"
)

// Reserved reports whether a header belongs to HTTP, to the platform or to this library, so that neither users nor
// messages may set it: what frames a message or ends at the next hop, what says who calls, and the name spaces of the
// platform's services. An underscore counts as a hyphen, as it does to servers in the manner of CGI.
func Reserved(canonical string) bool {
	if strings.IndexByte(canonical, '_') >= 0 {
		canonical = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(canonical, "_", "-"))
	}
	switch canonical {
	case "Host", "Content-Length", "Content-Encoding", "Expect", "User-Agent",
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "X-Serverless-Authorization":
		return true
	}
	if len(canonical) < 7 || canonical[0] != 'X' && canonical[0] != 'T' { // spares nearly all the rest
		return false
	}
	for _, prefix := range [...]string{"X-Cloudtasks-", "X-Cloudscheduler", "X-Google-", "X-Goog-", "X-Appengine-", "Typedtasks-"} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return false
}
