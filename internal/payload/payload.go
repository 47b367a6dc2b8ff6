// Package payload turns typed payloads into bytes and back, and says whether they are valid.
//
// [JSON] is the default codec. A [Plan] says how one type of payload is validated and is made once per definition;
// a [Validator] holds the rules and belongs to one App. Undecodable bytes are a [*DecodeError], payloads against
// the rules a [*ValidationError]: both tell where and what was wanted, and neither repeats what the payload holds.
// Any other error of [Validator.Validate] means that the rules are at fault, not the payload.
package payload

// Rules are the struct tags of github.com/go-playground/validator/v10.
const ruleTag = "validate"

// maxDepth is how deep a value may nest: as deep as encoding/json decodes.
const maxDepth = 10000
