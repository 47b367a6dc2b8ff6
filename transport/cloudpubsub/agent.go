package cloudpubsub

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/typedtasks/typedtasks/internal/gcp"
)

// agent is Pub/Sub's own service account in a project, which is named after the project's number.
type agent struct {
	project string

	mu     sync.Mutex
	number int64 // 0: not known yet
}

// account returns its e-mail address. The metadata server knows the number of the project that the program runs in,
// and of no other.
func (a *agent) account(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.number != 0 {
		return agentAccount(strconv.FormatInt(a.number, 10)), nil
	}
	answers, err := gcp.Metadata(ctx, "project/project-id", "project/numeric-project-id")
	if err != nil {
		return "", err
	}
	here, number := answers[0], answers[1]
	if here != a.project {
		return "", fmt.Errorf("this program runs in project %q", here)
	}
	if a.number, err = strconv.ParseInt(number, 10, 64); err != nil {
		return "", err
	}
	return agentAccount(number), nil
}

func agentAccount(number string) string {
	return "service-" + number + "@gcp-sa-pubsub.iam.gserviceaccount.com"
}
