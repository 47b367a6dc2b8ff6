package tour

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTour_Walk_NothingHappens_FailsWhenOutOfPatience(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer shop.Close()
	story := NewNarrator(io.Discard)
	err := (&Tour{URL: shop.URL, Journal: NewJournal(story.Tell), Story: story, Patience: 50 * time.Millisecond}).Walk(t.Context())
	const want = "POST /signup: Welcome was enqueued 0 times, not 1, Welcome was executed 0 times, not 1: the tour took longer than 50ms"
	if err == nil || err.Error() != want {
		t.Errorf("Walk = %v, want %s", err, want)
	}
}

func TestTour_Walk_AnotherAnswerThanExpected_Fails(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "closed", http.StatusTeapot) }))
	defer shop.Close()
	story := NewNarrator(io.Discard)
	err := (&Tour{URL: shop.URL, Journal: NewJournal(story.Tell), Story: story, Patience: time.Minute}).Walk(t.Context())
	if err == nil || !strings.Contains(err.Error(), "418") || !strings.Contains(err.Error(), "closed") {
		t.Errorf("Walk = %v, want the answer in it", err)
	}
}
