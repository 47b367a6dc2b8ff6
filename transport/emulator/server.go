package emulator

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"

	"github.com/typedtasks/typedtasks/internal/engine"
)

// server answers the calls. Its methods are in files by subject.
type server struct {
	cloudtaskspb.UnimplementedCloudTasksServer

	log        *slog.Logger
	base       context.Context // ends with the emulator
	engine     *engine.Engine
	queues     *registry
	operations *operations
	tokens     *tokens
	store      *store // nil: everything is in memory
	onDemand   bool
	tombstone  time.Duration
}

func (s *server) register(r *grpc.Server) {
	cloudtaskspb.RegisterCloudTasksServer(r, s)
	longrunningpb.RegisterOperationsServer(r, s.operations)
}

// now is the engine's clock.
func (s *server) now() time.Time { return s.engine.Now() }

// mostDeadline is how far ahead the deadline of a call may be.
const mostDeadline = 30 * time.Second

// refuseDeadline is an interceptor that refuses calls whose deadline is too far ahead, as the service does.
func refuseDeadline(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if d, ok := ctx.Deadline(); ok && time.Until(d) > mostDeadline && strings.HasPrefix(info.FullMethod, "/google.cloud.tasks.") {
		return nil, invalid("The request deadline is %s. The deadline cannot be more than 30s in the future.", d.UTC().Format(time.RFC3339Nano))
	}
	return next(ctx, req)
}
