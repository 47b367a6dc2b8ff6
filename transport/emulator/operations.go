package emulator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// operations are the batches, done or running, by name. It implements the Operations service.
type operations struct {
	longrunningpb.UnimplementedOperationsServer

	now   func() time.Time
	takes time.Duration // an operation looks running for that long

	mu     sync.Mutex
	byName map[string]*operation
	order  []*operation // oldest first
	bytes  int
}

// operation is one batch.
type operation struct {
	name  string
	saved bool // in the data file: somebody may ask for it after a restart
	begun time.Time
	ready time.Time // until then it looks running

	known   chan struct{}            // closed once message is set
	message *longrunningpb.Operation // as it is at the end
}

// Finished operations are kept as long as they fit, and an hour over restarts.
const (
	mostOperations     = 1000
	mostOperationBytes = 32 << 20
	operationRetention = time.Hour
)

func newOperations(now func() time.Time, takes time.Duration) *operations {
	return &operations{now: now, takes: takes, byName: make(map[string]*operation)}
}

// once does what a request asks for and returns its operation; where a request with this id was made before, it
// returns that one's. do must complete the operation.
func (o *operations) once(ctx context.Context, verb, parent, requestID string, do func(*operation) error) (*longrunningpb.Operation, error) {
	id := strings.ToLower(rand.Text())
	if requestID != "" {
		sum := sha256.Sum256([]byte(verb + "\x00" + parent + "\x00" + requestID))
		id = hex.EncodeToString(sum[:16])
	}
	op, found := o.begin(locationOf(parent)+"/operations/"+id, requestID != "" || o.takes > 0)
	if !found {
		err := do(op)
		o.keep(op)
		return op.seen(o.now()), err
	}
	select {
	case <-op.known:
		return op.seen(o.now()), nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// begin returns the operation of that name, or a new one.
func (o *operations) begin(name string, saved bool) (op *operation, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op := o.byName[name]; op != nil {
		return op, true
	}
	now := o.now()
	op = &operation{name: name, saved: saved, begun: now, ready: now.Add(o.takes), known: make(chan struct{})}
	o.byName[name] = op
	o.order = append(o.order, op)
	return op, false
}

// keep counts a completed operation and forgets the oldest ones beyond the limits.
func (o *operations) keep(op *operation) {
	size := proto.Size(op.message)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes += size
	for len(o.order) > mostOperations || o.bytes > mostOperationBytes && len(o.order) > 1 {
		if !o.order[0].done() {
			break
		}
		o.forget(o.order[0])
	}
}

func (o *operations) forget(op *operation) {
	delete(o.byName, op.name)
	o.order = slices.DeleteFunc(o.order, func(other *operation) bool { return other == op })
	o.bytes -= proto.Size(op.message)
}

func (op *operation) done() bool {
	select {
	case <-op.known:
		return true
	default:
		return false
	}
}

// seen is the operation as it looks at a time.
func (op *operation) seen(now time.Time) *longrunningpb.Operation {
	if now.Before(op.ready) || !op.done() {
		return &longrunningpb.Operation{Name: op.name}
	}
	return op.message
}

// record is the completed operation in the data file, nil if it need not be there.
func (op *operation) record() record {
	if !op.saved {
		return nil
	}
	return append(newRecord(operationRecord).time(op.begun), marshal(op.message)...)
}

// complete sets what became of the operation: failed, or an answer.
func (op *operation) complete(meta, answer proto.Message, failed error) {
	m := &longrunningpb.Operation{Name: op.name, Metadata: toAny(meta), Done: true}
	if failed != nil {
		m.Result = &longrunningpb.Operation_Error{Error: status.Convert(failed).Proto()}
	} else {
		m.Result = &longrunningpb.Operation_Response{Response: toAny(answer)}
	}
	op.message = m
	close(op.known)
}

// toAny packs a message. Messages of the API can be marshaled.
func toAny(m proto.Message) *anypb.Any {
	a, _ := anypb.New(m)
	return a
}

// restore takes over finished operations that are not too old.
func (o *operations) restore(saved []savedOperation) {
	for _, s := range saved {
		if o.now().Sub(s.since) > operationRetention {
			continue
		}
		if op, found := o.begin(s.message.GetName(), true); !found {
			op.begun, op.ready, op.message = s.since, s.since, s.message
			close(op.known)
			o.keep(op)
		}
	}
}

// save puts the finished operations that are not too old.
func (o *operations) save(put func([]byte) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.order {
		if op.saved && op.done() && o.now().Sub(op.begun) <= operationRetention {
			if err := put(op.record()); err != nil {
				return err
			}
		}
	}
	return nil
}
