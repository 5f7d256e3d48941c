package answering

import (
	"context"
	"crypto/hmac"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

// SigningSecrets are those of the apps of SlackChannels, as a cache knows them and
// as the API server does.
type SigningSecrets interface {
	Signing(ctx context.Context, c *v1alpha1.SlackChannel) ([]byte, error)
	FreshSigning(ctx context.Context, c *v1alpha1.SlackChannel) ([]byte, error)
}

// HTTP takes clicks that Slack posts to the intake.
type HTTP struct {
	Taker   *Taker
	Secrets SigningSecrets
	// Channels reads SlackChannels, from a cache.
	Channels client.Reader
}

// Secret returns the signing secret of a SlackChannel's app: as the cache knows it,
// or with fresh as the API server does. It is nil where there is no such SlackChannel
// or none that takes clicks by HTTP; an error is one of the API server, or a
// *webhookkey.Problem.
func (h *HTTP) Secret(ctx context.Context, channel types.NamespacedName, fresh bool) ([]byte, error) {
	c := &v1alpha1.SlackChannel{}
	if err := h.Channels.Get(ctx, channel, c); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, err
	}
	if !signs(c) {
		return nil, nil
	}
	if fresh {
		return h.Secrets.FreshSigning(ctx, c)
	}
	return h.Secrets.Signing(ctx, c)
}

func signs(c *v1alpha1.SlackChannel) bool {
	return c.Spec.Interactions != nil && c.Spec.Interactions.SigningSecretRef != nil
}

// Take takes what was signed with a secret and sent to the address of a SlackChannel.
//
// An app has one Request URL, whatever the number of SlackChannels it is used by: so
// what went out through another one with the same secret can be answered here, too.
func (h *HTTP) Take(ctx context.Context, channel types.NamespacedName, secret, payload []byte) bool {
	list := &v1alpha1.SlackChannelList{}
	if err := h.Channels.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		h.Taker.Log.Error(err, "Could not list the SlackChannels of an app")
		return false
	}
	app := App{}
	for i := range list.Items {
		c := &list.Items[i]
		name := client.ObjectKeyFromObject(c)
		if !signs(c) {
			continue
		}
		if name != channel {
			other, err := h.Secrets.Signing(ctx, c)
			if err != nil && !errors.As(err, new(*webhookkey.Problem)) {
				app.Unsure = true // whose it is can't be told now
			}
			if err != nil || !hmac.Equal(other, secret) {
				continue
			}
		}
		one := Channel{NamespacedName: name, UID: c.UID}
		if name == channel {
			app.AppID = c.Status.AppID
			app.Channels = append([]Channel{one}, app.Channels...)
			continue
		}
		app.Channels = append(app.Channels, one)
	}
	return h.Taker.Take(ctx, app, payload)
}
