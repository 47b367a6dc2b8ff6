// Package oidc lets in who carries a token of Google's that was made for this service, of a service account that is
// on a list: what Cloud Tasks, Cloud Scheduler and Pub/Sub put on the requests that they deliver. Anyone at all can
// send their other headers.
//
//	auth, err := oidc.New(oidc.Audience("https://shop.example.com"),
//		oidc.ServiceAccount("tasks@my-project.iam.gserviceaccount.com"))
//	app, err := tasks.NewApp(tasks.Config{..., Authenticator: auth})
//
// A missing or bad token is answered with 401, a good one of another account with 403. Why goes to the log, never to
// the caller: see [Error].
//
// # What is checked
//
// That the request has one Authorization header, of 16 KB at most and of the scheme Bearer in any case of letters, and
// one token in it, written as its signer wrote it. That it is signed by RS256, which is looked at before any key is,
// and by a key of Google's that it names: an RSA key of 2048 to 8192 bits. A token that brings a key along (jwk), points to
// one (jku, x5u) or demands an extension (crit) is refused. Then the claims, none of which may stand there twice:
//
//	iss              https://accounts.google.com or accounts.google.com
//	aud              one text that is on the list, letter for letter; never compared with the request's URL
//	exp              not past, within the leeway
//	iat, nbf         not in the future, within the leeway; either may be absent
//	email_verified   true, not "true"
//	email            on the list, letter for letter
//
// Times are numbers of seconds since 1970, with a fraction if need be, up to the year 9999; a quoted number is none, and
// neither is null. How long a token is good is its issuer's to say.
//
// # Keys
//
// They are fetched when the first token needs them, once for all that wait, and kept as long as max-age says: one
// minute to 24 hours, an hour where it says nothing. After that they serve while new ones are fetched. There is one fetch
// at a time, and tokens of known keys wait for none.
//
// A token whose key is not among them has them fetched too, and waits: keys may rotate at any time, and no good token is
// refused for it. Three such fetches may follow each other at once, and one more each 10 seconds, so that no flood of
// made-up keys reaches the key server. During one, tokens of a new key may be refused for those 10 seconds.
//
// As long as the key server is down, slow, or answers with anything but usable keys, those of before serve, for up to
// 24 hours longer than max-age said. It is asked again after 1 s, 2 s, 4 s and so on to 30 s, and each failure is
// logged. Without any keys nobody is let in. Redirects are not followed.
//
// # Concurrency
//
// An [Authenticator] is safe for concurrent use. A fetch takes 5 s at most and belongs to none of the requests that
// wait for it: one that ends takes nothing away from the others. A request waits for two at most: for one that had begun
// before it came, and for the next. Nothing has to be closed.
//
// # Limits
//
// A token may be used again for as long as it is good, an hour with Google's: the platform does so itself. A key that is
// withdrawn counts until keys are next fetched. [UnverifiedBehindCloudRun] does not check signatures.
//
// A token that was let in before is checked in about 1 µs, a new one in about 65 µs, of which RSA takes 30: see
// BenchmarkAuthenticate.
//
// # Testing
//
// tasktest.NewSigner makes tokens, and a client that answers for the key server without a network.
//
// The emulator signs its tokens with a key of its own, which Google's server does not have: tasks-emulator -http-port 8124
// serves it at http://localhost:8124/oauth2/v3/certs (emulator.CertsPath), and without that flag nowhere. Its tokens are of
// tasks@emulator.iam.gserviceaccount.com unless the driver was given another account.
//
//	auth, err := oidc.New(oidc.Audience("http://localhost:8080"), oidc.ServiceAccount("tasks@emulator.iam.gserviceaccount.com"),
//		oidc.KeysURL("http://localhost:8124/oauth2/v3/certs"))
//
// # The libraries beneath
//
// Signatures are verified by github.com/coreos/go-oidc/v3, over go-jose/v4: it takes the one algorithm that it is told,
// and keys from where it is told. Google's own packages (google.golang.org/api/idtoken and
// cloud.google.com/go/auth/credentials/idtoken) take ES256 too, and panic on a short signature of that kind; they look at
// neither issuer nor e-mail address, do not fetch keys anew for one that they do not know, and have none while the key
// server is down. The set of keys is this package's own, since go-oidc's asks the key server about each unknown key,
// reads whatever comes, and knows no max-age. So are the rules for claims: go-oidc's take lists for aud, a quoted number
// for a time and a claim that stands there twice. What it refuses is refused all the same.
package oidc
