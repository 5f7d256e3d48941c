package silence

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/secretkeys"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
)

// Problem is why an Alertmanager can't be asked, for a person to mend.
type Problem struct{ Message string }

func (p *Problem) Error() string { return p.Message }

// The keys of the Secrets.
const (
	tokenKey = "token"
	caKey    = "ca.crt"
)

// connect makes a client as the SlackAlert says. The error is a *Problem if a person
// must mend it.
func (j *job) connect(ctx context.Context) (*silencer.Client, error) {
	if j.alert.Spec.Actions == nil || j.alert.Spec.Actions.Silence == nil {
		return nil, &Problem{"the SlackAlert has no actions.silence any more, and with it no Alertmanager to ask"}
	}
	at := j.alert.Spec.Actions.Silence.Alertmanager
	config := silencer.Config{URL: at.URL, Hosts: j.Hosts, Observe: j.Observe}
	if at.AuthSecretRef != nil {
		if err := j.credentials(ctx, at.AuthSecretRef.Name, &config); err != nil {
			return nil, err
		}
	}
	if at.CASecretRef != nil {
		secret, err := j.secret(ctx, at.CASecretRef.Name, "caSecretRef")
		if err != nil {
			return nil, err
		}
		if config.RootCAs = secret.Data[caKey]; len(config.RootCAs) == 0 {
			return nil, lacks(secret, "caSecretRef", caKey)
		}
	}
	out, err := silencer.New(config)
	if err != nil {
		return nil, &Problem{"spec.actions.silence.alertmanager of the SlackAlert: " + err.Error()}
	}
	return out, nil
}

// credentials reads who the operator is for an Alertmanager.
func (j *job) credentials(ctx context.Context, name string, config *silencer.Config) error {
	secret, err := j.secret(ctx, name, "authSecretRef")
	if err != nil {
		return err
	}
	text := func(key string) string { return strings.TrimSpace(string(secret.Data[key])) }
	config.Token = text(tokenKey)
	config.Username, config.Password = text(corev1.BasicAuthUsernameKey), text(corev1.BasicAuthPasswordKey)
	cert, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if config.Token == "" && config.Username == "" && config.Password == "" && len(cert) == 0 {
		return lacks(secret, "authSecretRef", "token, username and password, or tls.crt and tls.key")
	}
	if len(cert) > 0 || len(key) > 0 {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return &Problem{fmt.Sprintf("the keys tls.crt and tls.key of Secret %q, which spec.actions.silence.alertmanager.authSecretRef names, are no certificate and its key in PEM form", name)}
		}
		config.Certificate = &pair
	}
	return nil
}

func (j *job) secret(ctx context.Context, name, field string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := j.Live.Get(ctx, types.NamespacedName{Namespace: j.alert.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &Problem{fmt.Sprintf("Secret %q, which spec.actions.silence.alertmanager.%s of the SlackAlert names, does not exist in namespace %q: create it there", name, field, j.alert.Namespace)}
	}
	return secret, err
}

// lacks says which key a Secret does not have.
func lacks(secret *corev1.Secret, field, keys string) *Problem {
	return &Problem{fmt.Sprintf("Secret %q, which spec.actions.silence.alertmanager.%s of the SlackAlert names, has no key %s (%s)", secret.Name, field, keys, secretkeys.Has(secret))}
}
