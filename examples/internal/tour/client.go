package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Post sends body as JSON to the shop and expects a status.
func (t *Tour) Post(ctx context.Context, path string, body any, header http.Header, status int) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	for name := range header {
		req.Header[name] = header[name]
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != status {
		return fmt.Errorf("answered with %s, not %d: %s", resp.Status, status, answer)
	}
	return nil
}
