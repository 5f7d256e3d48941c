package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// mostMemory of the operator under any attack, in MiB: half of its limit in
// config/manager.
const mostMemory = 256

// siege is one operator that three use: the platform, whose SlackChannel all may
// use, a tenant, and one who means harm.
type siege struct {
	*world // the platform's
	tenant *world
	// evil has the role edit in his namespaces, and may have a proxy and a CA of his
	// own there. He goes from one to the next, as what he did in one is held against it.
	evil     *world
	evils    []*world
	byEvil   authority
	operator *harness.Operator

	row     int
	figures *[]string
}

// attack is a row. To play it returns when it is under way, with what looks at
// the harm that it did when the others' messages have arrived, and returns what
// the attacker was told.
type attack struct {
	name string
	play func(s *siege) (harm func() (told string))
}

// TestTrust has a tenant who means harm try what he can. Whatever he does, the
// messages of the others arrive while he does it, whole and once, and the operator
// stays what it was. The seconds are printed, and no test of time: he goes on until
// they have arrived.
func TestTrust(t *testing.T) {
	s := besiege(t)
	s.attack(t, attack{"nobody attacks", func(*siege) func() string { return func() string { return "" } }})
	flooded := s.flood()
	for _, list := range [][]attack{answersOfHis, bombs(), objectsOfHis, rulesOfHis} {
		for _, a := range list {
			s.attack(t, a)
		}
	}
	s.attack(t, attack{"a flood of Critical into a shared channel", flooded})
	t.Logf("\n| attack | slowest message of the others | most memory | what the attacker is told |\n| --- | --- | --- | --- |\n%s", strings.Join(*s.figures, "\n"))
	s.operator.Stop()
	if err := s.operator.Autopsy(0); err != nil {
		t.Error(err)
	}
}

// attack plays a row while the others send messages.
func (s *siege) attack(t *testing.T, a attack) {
	s.row++
	t.Run(a.name, func(t *testing.T) {
		s := s.in(t)
		s.Expect(s.operator.ResetPeak()).To(gomega.Succeed())
		harm := a.play(s)
		slowest := s.send(fmt.Sprintf("r%d", s.row))
		told := harm()
		peak, err := s.operator.Peak()
		s.Expect(err).NotTo(gomega.HaveOccurred(), "the operator has ended")
		s.Expect(peak).To(gomega.BeNumerically("<", mostMemory), "MiB of memory")
		*s.figures = append(*s.figures, fmt.Sprintf("| %s | %.1f s | %d MiB | %s |", a.name, slowest.Seconds(), peak, told))
		t.Log((*s.figures)[len(*s.figures)-1])
	})
}

// in has a row's failures be the row's.
func (s *siege) in(t *testing.T) *siege {
	of := *s
	of.evil = s.evils[s.row%len(s.evils)]
	for _, w := range []**world{&of.world, &of.tenant, &of.evil} {
		one := **w
		one.t, one.ctx, one.WithT = t, t.Context(), gomega.NewWithT(t)
		one.SetDefaultEventuallyTimeout(patience)
		one.SetDefaultEventuallyPollingInterval(40 * time.Millisecond)
		*w = &one
	}
	t.Cleanup(of.retreat)
	return &of
}

// retreat deletes what the attacker has made in a row, but for what goes on.
func (s *siege) retreat() {
	for _, o := range []client.Object{&v1alpha1.SlackAlert{}, &v1alpha1.SlackNotification{}, &v1alpha1.SlackChannel{}} {
		if err := env.client.DeleteAllOf(context.Background(), o, client.InNamespace(s.evil.ns), client.MatchingLabels{"goes": "with-its-row"}); err != nil {
			s.t.Error(err)
		}
	}
}

var goMemLimit = regexp.MustCompile(`name: GOMEMLIMIT, value: (\w+)`)

// besiege starts the operator: it reaches Slack as slack.com, by HTTPS, through
// the egress proxy of the platform, and has the memory limit of config/manager.
func besiege(t *testing.T) *siege {
	s := &siege{world: newWorld(t), figures: &[]string{}}
	s.tenant = s.neighbour("tenant")
	namespaces := []string{s.ns, s.tenant.ns}
	for i := range 3 {
		one := s.neighbour(fmt.Sprint("evil-", i))
		one.as, one.token = s.editor(one), "xoxb-evil-plantedsecret"
		s.evils, namespaces = append(s.evils, one), append(namespaces, one.ns)
	}
	s.evil, s.byEvil = s.evils[0], newAuthority(t)

	ours := newAuthority(t)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	s.Expect(os.WriteFile(roots, []byte(ours.ca), 0o600)).To(gomega.Succeed())
	genuine, err := url.Parse(env.slack)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	proxy := behind(t, ours, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(genuine) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	})
	manager, err := os.ReadFile("../../config/manager/manager.yaml")
	s.Expect(err).NotTo(gomega.HaveOccurred())
	limit := goMemLimit.FindSubmatch(manager)
	s.Expect(limit).NotTo(gomega.BeNil(), "config/manager sets no GOMEMLIMIT")

	program, err := env.Release()
	s.Expect(err).NotTo(gomega.HaveOccurred())
	program.CustomConnections = namespaces[2:]
	program.Environ = []string{"HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + roots, "GOMEMLIMIT=" + string(limit[1])}
	s.operator, err = env.StartProgram(s.ctx, program, "trust", "--slack-api-url=https://"+slackHost+"/api/",
		"--watch-label-selector=shard=own", "--watch-namespaces="+strings.Join(namespaces, ","))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(s.operator.Kill)

	s.ready(s.webAPI("alerts", "#alerts", ownChannel, shared))
	s.ready(s.tenant.webAPI("mine", "#deploys", ownChannel))
	return s
}

func ownChannel(c *v1alpha1.SlackChannel) { own(c) }

// neighbour is another namespace whose bot is of the same workspace.
func (w *world) neighbour(name string) *world {
	w.t.Helper()
	of := *w
	of.ns += "-" + name
	of.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: of.ns}})
	return &of
}

// editor is a user with the role edit in a namespace. A kube-controller-manager
// would aggregate it; here its parts are bound.
func (s *siege) editor(in *world) client.Client {
	name := "editor-" + in.ns
	for _, role := range []string{"system:aggregate-to-edit", "slack-notifier-editor-role"} {
		binding := &rbacv1.RoleBinding{
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
		}
		binding.Name = strings.ReplaceAll(role, ":", "-")
		in.create(binding)
	}
	config, err := env.Cluster.UserConfig(name)
	s.Expect(err).NotTo(gomega.HaveOccurred())
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: env.client.Scheme()})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return c
}

// letter is a message of those who are attacked.
type letter struct {
	of    *world
	n     *v1alpha1.SlackNotification
	place string // where it arrives; by the status where it is a person's
	took  time.Duration
}

// send has the platform and the tenant send to a channel of their own, to a
// person, and to the channel that all share, and returns how long the slowest took.
// All arrive once, and as they were sent.
func (s *siege) send(name string) (slowest time.Duration) {
	s.t.Helper()
	ours := func(n *v1alpha1.SlackNotification) { own(n); n.Spec.Severity = v1alpha1.SeverityCritical }
	begin := time.Now()
	letters := []*letter{
		{of: s.tenant, n: s.tenant.notify(name+"-room", "mine", ours), place: s.id("C", "DEPLOYS")},
		{of: s.tenant, n: s.tenant.notify(name+"-person", "mine", ours, to(user("ada")))},
		{of: s.tenant, n: s.tenant.notify(name+"-address", "mine", ours, to(email("yueh@example.com")))},
		{of: s.tenant, n: s.tenant.notify(name+"-shared", "alerts", ours, s.from(s.tenant.ns)), place: s.id("C", "ALERTS")},
		{of: s.world, n: s.notify(name+"-platform", "alerts", ours), place: s.id("C", "ALERTS")},
	}
	waiting := letters
	s.Eventually(func() (rest []string) {
		var still []*letter
		for _, l := range waiting {
			if l.of.see(l.n) == delivered() {
				l.took = time.Since(begin)
				continue
			}
			still, rest = append(still, l), append(rest, l.n.Name+": "+l.of.message(l.n))
		}
		waiting = still
		return rest
	}, 2*time.Minute).Should(gomega.BeEmpty(), "messages of the others")
	for _, l := range letters {
		s.t.Logf("%s took %.1f s", l.n.Name, l.took.Seconds())
		slowest = max(slowest, l.took)
		s.arrived(l)
	}
	return slowest
}

// arrived looks for a message in Slack.
func (s *siege) arrived(l *letter) {
	s.t.Helper()
	place := l.place
	if place == "" {
		place = direct(l.n)
		s.Expect(l.n.Status.Deliveries[0].UserID).To(gomega.BeElementOf(s.id("U", "ADA"), s.id("U", "YUEH")))
	}
	var found []string
	for _, m := range s.messages(place) {
		if strings.Contains(m.Text+string(m.Attachments)+string(m.Blocks), "text of "+l.n.Name) {
			found = append(found, m.TS)
			s.Expect(m.Edits).To(gomega.BeZero(), l.n.Name)
			s.Expect(string(m.Metadata)).To(gomega.ContainSubstring(l.n.Status.Deliveries[0].ContentHash), l.n.Name)
		}
	}
	s.Expect(found).To(gomega.Equal([]string{l.n.Status.Deliveries[0].Timestamp}), l.n.Name)
}

// goes labels what the attacker deletes at the end of a row.
func goes(o client.Object) { o.SetLabels(map[string]string{"shard": "own", "goes": "with-its-row"}) }

// private makes a SlackChannel of the attacker's that an impostor answers.
func (s *siege) private(name, channel string, i *impostor, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	s.t.Helper()
	secret := fmt.Sprintf("r%d-%s", s.row, name)
	s.evil.create(secretOf(s.evil.ns, secret, map[string]string{"token": s.evil.token + secret, "address": i.proxy, "ca.crt": s.byEvil.ca}))
	c := &v1alpha1.SlackChannel{Spec: v1alpha1.SlackChannelSpec{
		WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret}, Channel: channel},
		Connection: &v1alpha1.Connection{
			ProxySecretRef: &v1alpha1.SecretReference{Name: secret}, CASecretRef: &v1alpha1.SecretReference{Name: secret},
			Timeout: &metav1.Duration{Duration: 30 * time.Second},
		},
	}}
	c.Name = secret
	goes(c)
	for _, change := range changes {
		change(c)
	}
	s.evil.create(c)
	return c
}

// tries makes a SlackNotification of the attacker's.
func (s *siege) tries(name string, c *v1alpha1.SlackChannel, changes ...func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	s.t.Helper()
	return s.evil.notify(fmt.Sprintf("r%d-%s", s.row, name), c.Name, append([]func(*v1alpha1.SlackNotification){func(n *v1alpha1.SlackNotification) {
		goes(n)
		n.Spec.ChannelRef.Namespace = c.Namespace
	}}, changes...)...)
}

// keepsOn has the attacker change objects over and over until the row ends.
func (s *siege) keepsOn(objects ...client.Object) {
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(s.ctx)
	s.t.Cleanup(func() { cancel(); group.Wait() })
	for i, o := range objects {
		objects[i] = o.DeepCopyObject().(client.Object) // others read theirs meanwhile
	}
	group.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			for _, o := range objects {
				patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"%d"}}}`, v1alpha1.AnnotationRequestedAt, i)
				_ = s.evil.as.Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch("application/merge-patch+json", []byte(patch)))
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
}

// reached waits until an impostor has been called so often.
func (s *siege) reached(i *impostor, times int, methods ...string) {
	s.t.Helper()
	s.Eventually(func() int { return i.called(methods...) }).Should(gomega.BeNumerically(">=", times), "the attack is under way")
}

// told is what the Ready of one of the attacker's objects says, for a table.
func (s *siege) told(o conditioned) string {
	got := s.evil.see(o)
	text := s.evil.message(o)
	if got.Reason == "" {
		return "nothing yet"
	}
	if len(text) > 160 {
		text = text[:160] + "…"
	}
	return fmt.Sprintf("`%s`: %s", got.Reason, strings.ReplaceAll(text, "|", "\\|"))
}
