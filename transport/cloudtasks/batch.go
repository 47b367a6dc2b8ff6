package cloudtasks

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/transport"
)

const (
	// MaxBatchTasks is the most tasks of one BatchCreateTasks request. Read 2026-11 from the API definitions
	// (cloudtasks 1.21.1).
	MaxBatchTasks = 100

	// MaxBatchBytes is about the most bytes of one request with several tasks. The API names no limit: this is
	// gRPC's default for what a server receives, 4 MiB, less an eighth for the estimate.
	MaxBatchBytes = 4<<20 - 4<<17

	// singlesPerBatch is how many requests of one task are in flight in place of one batch.
	singlesPerBatch = 3
)

// EnqueueBatch creates the tasks with requests of up to [MaxBatchTasks] tasks and [MaxBatchBytes] bytes, several
// in flight (see [WithInFlight]). A server that has no BatchCreateTasks gets a CreateTask for each. A batch is an
// operation that may outlast its request: EnqueueBatch waits for its outcome, at most [OperationTimeout].
func (t *Transport) EnqueueBatch(ctx context.Context, tasks []*transport.Task) []transport.Result {
	b := &batch{t: t, tasks: tasks, results: make([]transport.Result, len(tasks))}
	now := time.Now()
	sound := make([]int, 0, len(tasks))
	for i, task := range tasks {
		if b.results[i].Err = t.check(ctx, task, now); b.results[i].Err == nil {
			sound = append(sound, i)
		}
	}
	if len(sound) > 1 && !t.noCreates.Load() {
		sound = b.many(ctx, sound)
	}
	atOnce(len(sound), t.inFlight*singlesPerBatch, func(i int) {
		r := &b.results[sound[i]]
		r.Receipt, r.Err = t.Enqueue(ctx, b.tasks[sound[i]])
	})
	return b.results
}

// batch is one EnqueueBatch. Its goroutines work on tasks of their own, known by their indices.
type batch struct {
	t       *Transport
	tasks   []*transport.Task
	results []transport.Result
}

// many creates tasks by batches. It returns those that the server must get one by one.
func (b *batch) many(ctx context.Context, indices []int) (left []int) {
	chunks := b.chunks(indices)
	unsupported := make([]bool, len(chunks))
	atOnce(len(chunks), b.t.inFlight, func(i int) {
		unsupported[i] = b.t.noCreates.Load() || !b.chunk(ctx, chunks[i])
	})
	for i, chunk := range chunks {
		if unsupported[i] {
			left = append(left, chunk...)
		}
	}
	return left
}

// chunks splits tasks by queue and by what one request may hold.
func (b *batch) chunks(indices []int) (chunks [][]int) {
	type open struct{ at, bytes int } // where the queue's last chunk is
	last := map[string]*open{}
	for _, i := range indices {
		task := b.tasks[i]
		size := task.Size() + len(b.t.location)
		o := last[task.Queue]
		if o == nil {
			o = &open{at: -1}
			last[task.Queue] = o
		}
		if o.at < 0 || len(chunks[o.at]) == MaxBatchTasks || o.bytes+size > MaxBatchBytes {
			o.at, o.bytes = len(chunks), 0
			chunks = append(chunks, make([]int, 0, min(len(indices), MaxBatchTasks)))
		}
		chunks[o.at] = append(chunks[o.at], i)
		o.bytes += size
	}
	return chunks
}

// chunk creates the tasks of one request, all of one queue. It returns false, and has done nothing, where the
// server knows no batches.
func (b *batch) chunk(ctx context.Context, indices []int) bool {
	open := indices
	q, err := b.t.onQueue(ctx, b.tasks[open[0]].Queue, func(q *queue) (err error) {
		open, err = b.create(ctx, q, open)
		return err
	})
	if status.Code(err) == codes.Unimplemented {
		b.t.noCreates.Store(true)
		return false
	}
	for _, i := range open {
		b.results[i].Receipt, b.results[i].Err = b.t.refused(ctx, q, b.tasks[i], err)
	}
	return true
}

// create makes one request and settles the tasks that it decided. It returns the others, and why: their queue is
// missing, or the request failed as a whole.
func (b *batch) create(ctx context.Context, q *queue, indices []int) (open []int, err error) {
	out, err := b.t.createTasks(ctx, q, b.tasks, indices)
	if err != nil {
		return indices, err
	}
	for at, i := range indices {
		switch failure := out.failure(at); {
		case failure == nil:
			b.results[i].Receipt = accepted(q, b.tasks[i], out.name(b.tasks[i]))
		case isQueueMissing(failure):
			open, err = append(open, i), failure
		default:
			b.results[i].Receipt, b.results[i].Err = b.t.refused(ctx, q, b.tasks[i], failure)
		}
	}
	return open, err
}
