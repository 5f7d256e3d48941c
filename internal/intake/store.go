package intake

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// What marks the SlackNotifications that are made here.
const (
	// LabelSource is "intake".
	LabelSource = "slack.notify.dev/source"
	// AnnotationCaller is who posted the message.
	AnnotationCaller = "slack.notify.dev/intake-caller"
	// annotationRequest is a hash of what was posted.
	annotationRequest = "slack.notify.dev/intake-request"
)

const (
	labelIntake = "intake"
	// storeTime is how long it may take to store something.
	storeTime = 8 * time.Second
	// tries to store it.
	tries = 3
	// pause after a try.
	pause = 200 * time.Millisecond
	// maxIdempotencyKey in bytes.
	maxIdempotencyKey = 255
)

// post is a message on its way into the cluster.
type post struct {
	channel types.NamespacedName
	caller  string
	content v1alpha1.Content
	// name of the SlackNotification.
	name string
	hash string
}

// prepare makes the content safe and gives the SlackNotification its name: for
// an Idempotency-Key always the same.
func (p *post) prepare(r *http.Request) *answer {
	if refused := escape(&p.content); refused != nil {
		return refused
	}
	data, err := json.Marshal(p.content)
	if err != nil {
		return refuse(http.StatusBadRequest, "blocks or attachments are no JSON objects")
	}
	p.hash = digest(string(data))
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		p.name = "intake-" + strings.ToLower(rand.Text())[:16]
		return nil
	}
	if len(key) > maxIdempotencyKey || strings.TrimFunc(key, func(c rune) bool { return c >= ' ' && c <= '~' }) != "" {
		return refuse(http.StatusBadRequest, "the Idempotency-Key must have at most %d printable ASCII characters", maxIdempotencyKey)
	}
	p.name = "intake-" + digest(strings.Join([]string{p.channel.String(), p.caller, key}, "\x00"))
	return nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// store creates the SlackNotification of a post. That it is there already is as
// good, if it is that of the same post.
func (s *Server) store(ctx context.Context, p post) (name string, refused *answer) {
	ttl := int32(min(s.TTL/time.Second, 1<<31-1)) //nolint:gosec // bounded
	n := &v1alpha1.SlackNotification{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.channel.Namespace, Name: p.name, Labels: map[string]string{LabelSource: labelIntake},
			Annotations: map[string]string{AnnotationCaller: p.caller, annotationRequest: p.hash},
		},
		Spec: v1alpha1.SlackNotificationSpec{
			ChannelRef: v1alpha1.ChannelReference{Name: p.channel.Name}, Content: p.content, TTLSecondsAfterFinished: &ttl,
		},
	}
	maps.Copy(n.Labels, s.Labels)
	var err error
	for try := range tries {
		if try > 0 && !sleep(ctx, time.Duration(try)*pause) {
			break
		}
		err = s.Client.Create(ctx, n.DeepCopy())
		if apierrors.IsAlreadyExists(err) {
			// Stored before: by an earlier request with this key, or by a try whose
			// answer did not come.
			err = s.same(ctx, p)
		}
		if err == nil {
			return p.name, nil
		}
		if refused := final(err); refused != nil {
			return "", refused
		}
	}
	return "", again(5, err, "the message could not be stored")
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// errOther means that the name is taken by another message.
var errOther = errors.New("another message")

// same returns nil when the SlackNotification that is there is that of p.
func (s *Server) same(ctx context.Context, p post) error {
	have := &metav1.PartialObjectMetadata{}
	have.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SlackNotification"))
	if err := s.Live.Get(ctx, types.NamespacedName{Namespace: p.channel.Namespace, Name: p.name}, have); err != nil {
		return err
	}
	if have.Annotations[annotationRequest] != p.hash {
		return errOther
	}
	return nil
}
