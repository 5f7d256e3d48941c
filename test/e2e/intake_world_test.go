package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// intakeWorld is a world with an operator of its own that takes posts.
type intakeWorld struct {
	*world
	operator *harness.Operator
	// url of the intake, address without its scheme.
	url, address string
	flags        []string
}

// intake starts an operator for this namespace with an intake. Its default
// channel is "c".
func (w *world) intake(flags ...string) *intakeWorld {
	w.t.Helper()
	port, err := devcluster.FreePort()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	i := &intakeWorld{world: w, address: fmt.Sprintf("127.0.0.1:%d", port)}
	i.url = "http://" + i.address
	i.flags = append([]string{
		"--watch-namespaces=" + w.ns, "--watch-label-selector=shard=own",
		"--intake-bind-address=" + i.address, "--intake-default-channel=" + w.ns + "/c",
	}, flags...)
	i.start()
	w.t.Cleanup(func() {
		i.operator.Stop()
		if err := i.operator.Autopsy(0); err != nil {
			w.t.Error(err)
		}
	})
	return i
}

// start starts the operator, again after it was killed.
func (i *intakeWorld) start() {
	i.t.Helper()
	var err error
	i.operator, err = env.StartOperator(i.ctx, "intake-"+i.ns, i.flags...)
	i.Expect(err).NotTo(gomega.HaveOccurred())
}

// account makes a ServiceAccount in a namespace.
func (w *world) account(namespace, name string) *corev1.ServiceAccount {
	w.t.Helper()
	a := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	w.create(a)
	return a
}

// poster may create SlackNotifications in this namespace.
func (w *world) poster(name string) *corev1.ServiceAccount {
	w.t.Helper()
	a := w.account(w.ns, name)
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"slacknotifications"}, Verbs: []string{"create"}},
	}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.ns, Name: name}}})
	return a
}

// apiAudience is the API server's own, for which a token is when none is named.
const apiAudience = "https://kubernetes.default.svc"

// tokenOf asks for a token of a ServiceAccount, for the intake unless audiences
// are named.
func (w *world) tokenOf(a *corev1.ServiceAccount, audiences ...string) string {
	w.t.Helper()
	if len(audiences) == 0 {
		audiences = []string{"slack-notifier"}
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	w.Expect(env.client.SubResource("token").Create(w.ctx, a, request)).To(gomega.Succeed())
	return request.Status.Token
}

// forge signs a token anew with other claims, with the key of the API server or
// with another one.
func (w *world) forge(token string, changes map[string]any, own bool) string {
	w.t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	w.Expect(err).NotTo(gomega.HaveOccurred())
	claims := map[string]any{}
	w.Expect(json.Unmarshal(payload, &claims)).To(gomega.Succeed())
	maps.Copy(claims, changes)
	data, err := os.ReadFile(filepath.Join(env.Cluster.Dir(), "accounts.key"))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	block, _ := pem.Decode(data)
	key := signer(block)
	if !own {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
		w.Expect(err).NotTo(gomega.HaveOccurred())
	}
	text, err := json.Marshal(claims)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	head := strings.Split(token, ".")[0] + "." + base64.RawURLEncoding.EncodeToString(text)
	sum := sha256.Sum256([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(sign(key, sum[:]))
}

func signer(block *pem.Block) any {
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key
}

func sign(key any, sum []byte) []byte {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		out, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum)
		if err != nil {
			panic(err)
		}
		return out
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum)
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	panic(fmt.Sprintf("%T", key))
}

// reply is an answer of the intake.
type reply struct {
	Code       int
	Body       string
	RetryAfter string
}

var noKeepAlive = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// post sends something, with a token unless it is empty.
func (i *intakeWorld) post(path, token string, body io.Reader, header ...string) reply {
	req, err := http.NewRequestWithContext(i.ctx, http.MethodPost, i.url+path, body)
	if err != nil {
		return reply{Body: err.Error()}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	resp, err := noKeepAlive.Do(req)
	if err != nil {
		return reply{Body: err.Error()}
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return reply{Code: resp.StatusCode, Body: string(data), RetryAfter: resp.Header.Get("Retry-After")}
}

func text(s string) io.Reader { return strings.NewReader(s) }

// code matches a reply by its code.
func code(want int) gomega.OmegaMatcher {
	return gomega.WithTransform(func(r reply) string { return fmt.Sprintf("%d: %s", r.Code, r.Body) }, gomega.HavePrefix(fmt.Sprintf("%d: ", want)))
}

// list are the SlackNotifications of this namespace.
func (w *world) list() []v1alpha1.SlackNotification {
	w.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
	return list.Items
}

// link is a wire to the API server that can be cut.
type link struct {
	net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// newLink returns the wire and a kubeconfig that uses it.
func (w *world) newLink(config *rest.Config) (*link, string) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	l := &link{Listener: listener, to: strings.TrimPrefix(config.Host, "https://"), conns: map[net.Conn]bool{}}
	go l.serve()
	w.t.Cleanup(func() { _ = listener.Close(); l.set(true) })
	config.Host = "https://" + listener.Addr().String()
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	w.Expect(devcluster.WriteKubeconfig(path, config)).To(gomega.Succeed())
	return l, path
}

func (l *link) serve() {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil || !l.add(near, far) {
			_ = near.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				_, _ = near.Close(), far.Close()
			}()
		}
	}
}

func (l *link) add(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if l.cut {
			_ = c.Close()
			continue
		}
		l.conns[c] = true
	}
	return !l.cut
}

// set cuts the wire, or mends it.
func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Close()
		}
		clear(l.conns)
	}
}

// peak is the most memory that the operator has taken, in MiB.
func (i *intakeWorld) peak() int {
	mib, err := i.operator.Peak()
	i.Expect(err).NotTo(gomega.HaveOccurred())
	return mib
}
