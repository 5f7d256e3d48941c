// Package plugin runs kubectl slack as kubectl's users do: by a real kubectl that finds
// it on PATH, against a real control plane, the operator and the simulated Slack.
package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// env is what all tests share.
var env struct {
	*harness.Env
	// path is the PATH with kubectl, the plugin and its completion.
	path, kubeconfig string
}

// patience of the tests: long, because the machine may be busy.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	// How long all of it may take is go test's -timeout, whatever the machine.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if env.Env, err = harness.Start(ctx, "../.."); err != nil {
		return 0, err
	}
	defer env.Close()
	if err := install(); err != nil {
		return 0, err
	}
	operator, err := env.StartOperator(ctx, "shared")
	if err != nil {
		return 0, err
	}
	code := m.Run()
	operator.Stop()
	return code, operator.Autopsy(code)
}

// install puts kubectl and the plugin on a PATH of their own.
func install() error {
	assets, err := devcluster.Assets()
	if err != nil {
		return err
	}
	bin := filepath.Join(env.Dir, "path")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "kubectl-slack"), "../../cmd/kubectl-slack")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building kubectl-slack: %w\n%s", err, out)
	}
	complete, err := filepath.Abs("../../hack/krew/kubectl_complete-slack")
	if err != nil {
		return err
	}
	kubectl, err := filepath.Abs(filepath.Join(assets, "kubectl"))
	if err != nil {
		return err
	}
	if err := errors.Join(os.Symlink(complete, filepath.Join(bin, "kubectl_complete-slack")), os.Symlink(kubectl, filepath.Join(bin, "kubectl"))); err != nil {
		return err
	}
	env.path, env.kubeconfig = bin+":/usr/bin:/bin", filepath.Join(env.Dir, "admin.kubeconfig")
	return devcluster.WriteKubeconfig(env.kubeconfig, env.Cluster.AdminConfig())
}

// world is a namespace and a Slack workspace for one test.
type world struct {
	*gomega.WithT
	t             *testing.T
	ns            string
	team, channel string
	token         string
	// alerts is the SlackChannel.
	alerts *v1alpha1.SlackChannel
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newNamedWorld(t, strings.ToLower(strings.TrimPrefix(t.Name(), "Test")))
}

// newNamedWorld is newWorld with a name of its own, of letters and digits.
func newNamedWorld(t *testing.T, name string) *world {
	t.Helper()
	t.Parallel()
	upper := strings.ToUpper(name)
	w := &world{WithT: gomega.NewWithT(t), t: t, ns: "p-" + name, team: "T" + upper, channel: "C" + upper + "1", token: "xoxb-" + name + "-" + harness.Planted}
	w.SetDefaultEventuallyTimeout(patience)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}})
	w.sim("users", slacksim.User{ID: "U" + upper + "BOT", Name: "bot", Bot: true})
	w.sim("users", slacksim.User{ID: "U" + upper + "ADA", Name: "ada", RealName: "Ada", Email: "ada@example.com"})
	w.sim("channels", slacksim.Channel{ID: w.channel, Name: "alerts", Members: []string{"U" + upper + "BOT"}})
	w.sim("channels", slacksim.Channel{ID: w.channel + "Z", Name: "old", Archived: true, Members: []string{"U" + upper + "BOT"}})
	w.sim("tokens", slacksim.Token{Token: w.token, Team: w.team, BotUser: "U" + upper + "BOT", BotID: "B" + upper, Scopes: slacksim.AllScopes})
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "slack-bot"}, StringData: map[string]string{"token": w.token}})
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "alerts"}}
	c.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "slack-bot"}, Channel: "#alerts"}
	w.create(c)
	w.alerts = c
	return w
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	w.Expect(env.Client.Create(w.t.Context(), o)).To(gomega.Succeed())
}

func (w *world) sim(path string, body any) {
	w.t.Helper()
	w.simIn(w.team, path, body)
}

// simIn is sim in another workspace.
func (w *world) simIn(team, path string, body any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := http.Post(env.Slack+"/_sim/"+path+"?team="+team, "application/json", bytes.NewReader(data))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	w.Expect(resp.StatusCode).To(gomega.Equal(http.StatusOK))
}

// command is kubectl, with the plugin on its PATH.
func (w *world) command(in string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(strings.Split(env.path, ":")[0], "kubectl"), args...)
	cmd.Env = []string{"PATH=" + env.path, "KUBECONFIG=" + env.kubeconfig, "HOME=" + w.t.TempDir()}
	cmd.Stdin = strings.NewReader(in)
	return cmd
}

// slack runs kubectl slack in the test's namespace.
func (w *world) slack(in string, args ...string) (out, errs string, code int) {
	w.t.Helper()
	cmd := w.command(in, append([]string{"slack", "-n", w.ns}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	if strings.Contains(stdout.String()+stderr.String(), harness.Planted) {
		w.t.Errorf("kubectl slack %s prints a secret", strings.Join(args, " "))
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// good is slack that must end with 0.
func (w *world) good(args ...string) string {
	w.t.Helper()
	out, errs, code := w.slack("", args...)
	if code != 0 {
		w.t.Fatalf("kubectl slack %s ends with %d:\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// messages of the test's channel, as the simulated Slack has them.
func (w *world) messages() []slacksim.Message {
	w.t.Helper()
	data, err := harness.Fetch(env.Slack + "/_sim/messages?channel=" + w.channel)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var all, out []slacksim.Message
	w.Expect(json.Unmarshal(data, &all)).To(gomega.Succeed())
	for _, m := range all {
		if m.Via == "api" {
			out = append(out, m)
		}
	}
	return out
}

// A message is sent from the shell, waited for, and its link printed; a reply and what
// comes by the standard input too.
func TestSend(t *testing.T) {
	w := newWorld(t)
	out := w.good("send", "*web* 42 is out", "--name", "first", "--channel-ref", "alerts", "--severity", "Success", "--title", "Deployed", "--wait=60s")
	w.Expect(out).To(gomega.MatchRegexp(`slacknotification/first created\ndefault: Delivered https://\S+/archives/` + w.channel + `/p\d+`))
	out, errs, code := w.slack("from a pipe\n", "send", "--channel-ref", "alerts", "--thread", "sln/first", "--wait=60s")
	w.Expect(code).To(gomega.Equal(0), errs)
	w.Expect(out).To(gomega.ContainSubstring("default: Delivered"))
	list := w.messages()
	w.Expect(list).To(gomega.HaveLen(2))
	w.Expect(list[1].Text).To(gomega.Equal("from a pipe"))
	w.Expect(list[1].ThreadTS).To(gomega.Equal(list[0].TS))

	out, _, code = w.slack("", "send", "Hello", "--channel-ref", "alerts", "--to", "@nobody", "--name", "lost", "--wait=60s")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(out).To(gomega.ContainSubstring("user:nobody: Failed (UserNotFound)"))
	out, _, code = w.slack("", "explain", "sln/lost")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(out).To(gomega.ContainSubstring("kubectl slack resend sln/lost -n " + w.ns))

	// Slack refuses once; resend has it tried again at once, and not after its back-off.
	w.sim("faults", slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "error", Code: "restricted_action"})
	out, _, code = w.slack("", "send", "Hello", "--channel-ref", "alerts", "--name", "refused", "--wait=60s")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(out).To(gomega.ContainSubstring("default: Failed (PostingRestricted)"))
	w.Eventually(func() string {
		out, _, _ := w.slack("", "resend", "sln/refused", "--wait=10s")
		return out
	}).Should(gomega.MatchRegexp("default: Delivered|nothing has failed"))
	w.Expect(w.good("resend", "sln/refused")).To(gomega.ContainSubstring("nothing has failed"))
	w.Expect(w.good("resend", "sln/refused", "--again", "--recipient", "default", "--wait=60s")).To(gomega.ContainSubstring("default: Delivered"))

	_, errs, code = w.slack("", "send", "Hello", "--channel-ref", "alerts", "--severity", "Bad", "--dry-run=server")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(errs).To(gomega.ContainSubstring(`Unsupported value: "Bad"`))
	w.Expect(w.good("send", "Hello", "--channel-ref", "alerts", "--dry-run=server", "-o", "name")).To(gomega.HavePrefix("slacknotification.slack.notify.dev/send-"))
	w.Expect(w.good("tail", "--since=1h", "--follow=false")).To(gomega.MatchRegexp(`\d\d:\d\d:\d\d Success  first default Delivered https://`))
}

// received is what the simulated Slack has of a message, to compare.
func received(m slacksim.Message) map[string]any {
	out := map[string]any{"text": m.Text, "markdown_text": m.Markdown, "username": m.Username, "icon_emoji": m.IconEmoji, "icon_url": m.IconURL}
	for name, raw := range map[string]json.RawMessage{"blocks": m.Blocks, "attachments": m.Attachments, "metadata": m.Metadata} {
		var v any
		_ = json.Unmarshal(raw, &v) // what is left out is nothing
		out[name] = v
	}
	return out
}

// What preview shows of a message in the cluster is what Slack has received of it.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	samples := map[string]v1alpha1.Content{
		"plain":  {Text: "plain *text* & <https://example.com|link>"},
		"full":   {Title: "Title", Severity: v1alpha1.SeverityError, Text: "text", Fields: []v1alpha1.Field{{Title: "F", Value: "V", Short: true}}, Link: &v1alpha1.Link{URL: "https://example.com"}},
		"md":     {Markdown: "# Heading\n\n**bold**"},
		"sender": {Text: "x", Sender: &v1alpha1.Sender{Username: "somebody", IconEmoji: ":bell:"}},
		"blocks": {Text: "t", Blocks: []v1alpha1.Block{{Type: "divider", Raw: []byte(`{"type":"divider"}`)}, {Type: "section", Raw: []byte(`{"type":"section","text":{"type":"mrkdwn","text":"*b* <!here>"}}`)}}},
		"long":   {Text: strings.Repeat("a long text ", 2000), Severity: v1alpha1.SeverityWarning},
	}
	w.secret("signing", "signingSecret", "plantedsecret")
	w.rechannel(func(c *v1alpha1.SlackChannel) {
		c.Spec.Interactions = &v1alpha1.Interactions{SigningSecretRef: &v1alpha1.SecretKeyReference{Name: "signing"}}
	})
	for name, content := range samples {
		n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
		n.Spec.ChannelRef.Name, n.Spec.Content = "alerts", content
		if name == "full" || name == "plain" {
			n.Spec.Actions = []v1alpha1.Action{
				{Name: "yes", Text: "Yes & <no>", Style: v1alpha1.ActionPrimary, Confirm: "Sure?"},
				{Name: "later", Text: "Later", Options: []v1alpha1.ActionOption{{Text: "1 hour", Value: "1h"}}},
			}
			n.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}}
		}
		w.create(n)
	}
	w.Eventually(w.messages).Should(gomega.HaveLen(len(samples)))
	got := map[string]map[string]any{}
	for _, m := range w.messages() {
		data := received(m)
		payload := data["metadata"].(map[string]any)["event_payload"].(map[string]any)
		got[payload["notification"].(string)] = data
	}
	for name := range samples {
		n := &v1alpha1.SlackNotification{}
		w.Expect(env.Client.Get(t.Context(), client.ObjectKey{Namespace: w.ns, Name: name}, n)).To(gomega.Succeed())
		var shown map[string]any
		w.Expect(json.Unmarshal([]byte(w.good("preview", "sln/"+name, "-o", "json")), &shown)).To(gomega.Succeed())
		for key, value := range got[string(n.UID)] {
			if is := shown[key]; !reflect.DeepEqual(is, value) && (is != nil || value != "") {
				t.Errorf("%s: %s is shown as\n%v\nand was received as\n%v", name, key, is, value)
			}
		}
		w.Expect(shown["channel"]).To(gomega.Equal(w.channel))
	}
}

// A rule is watched on the live cluster, and nothing is written to it.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	rule := `{apiVersion: slack.notify.dev/v1alpha1, kind: SlackAlert, metadata: {name: states}, spec: {channelRef: {name: alerts},
  source: {objects: {apiVersion: v1, kind: ConfigMap, when: "object.?data.?state.orValue('') == 'bad'", for: 1s}}, keepFiringFor: 1s, message: {title: "{{ .object.metadata.name }} is {{ .state }}"}}}`
	cmd := w.command(rule, "slack", "-n", w.ns, "alert", "watch", "-f", "-")
	var out, errs safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	w.Expect(cmd.Start()).To(gomega.Succeed())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	w.Eventually(errs.String).Should(gomega.ContainSubstring("watches"))
	state := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "web"}, Data: map[string]string{"state": "bad"}}
	w.create(state)
	w.Eventually(out.String).Should(gomega.ContainSubstring("web is firing"), errs.String)
	state.Data["state"] = "good"
	w.Expect(env.Client.Update(t.Context(), state)).To(gomega.Succeed())
	w.Eventually(out.String).Should(gomega.ContainSubstring("Resolved: web is resolved"), errs.String)
	w.Expect(cmd.Process.Signal(os.Interrupt)).To(gomega.Succeed())
	w.Eventually(ended).Should(gomega.Receive())
	w.Expect(errs.String()).To(gomega.ContainSubstring("2 messages would have been sent or edited"))
	list := &v1alpha1.SlackNotificationList{}
	w.Expect(env.Client.List(t.Context(), list, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Expect(list.Items).To(gomega.BeEmpty())
	rules := &v1alpha1.SlackAlertList{}
	w.Expect(env.Client.List(t.Context(), rules, client.InNamespace(w.ns))).To(gomega.Succeed())
	w.Expect(rules.Items).To(gomega.BeEmpty())

	w.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "db"}, Data: map[string]string{"state": "bad"}})
	text, _, code := w.slack(rule, "alert", "test", "-f", "-", "--all")
	w.Expect(code).To(gomega.Equal(0))
	w.Expect(text).To(gomega.ContainSubstring("ConfigMap db: fires"))
	w.Expect(text).To(gomega.ContainSubstring("ConfigMap web: does not fire"))
}

// A SlackChannel is verified at once, and the installation is checked.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.good("verify", "slc/alerts")).To(gomega.ContainSubstring("slackchannel/alerts Ready=True (Verified)"))
	w.Expect(w.good("explain", "slc/alerts")).To(gomega.ContainSubstring(`Secret ` + w.ns + `/slack-bot exists and has the key "token"`))
	w.Expect(w.good("check")).To(gomega.ContainSubstring("kind SlackNotification is served, v1alpha1"))
	w.Expect(w.good("check", "--pre")).To(gomega.ContainSubstring("you may create customresourcedefinitions"))

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "slack-bot"}}
	w.Expect(env.Client.Delete(t.Context(), secret)).To(gomega.Succeed())
	out, _, code := w.slack("", "verify", "slc/alerts")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(out).To(gomega.ContainSubstring("Ready=False (SecretNotFound)"))
	out, _, code = w.slack("", "explain", "slc/alerts")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(out).To(gomega.ContainSubstring("kubectl create secret generic slack-bot -n " + w.ns + " --from-literal=token=…"))
	_, _, code = w.slack("", "check")
	w.Expect(code).To(gomega.Equal(1))

	_, errs, code := w.slack("", "--as", "stranger", "explain", "slc/alerts")
	w.Expect(code).To(gomega.Equal(1))
	w.Expect(errs).To(gomega.ContainSubstring("you may not do this"))
	w.Expect(errs).To(gomega.ContainSubstring("slack-notifier-viewer-role"))
}

// kubectl finds the plugin, and completes its commands and the names of objects.
func TestCompletion(t *testing.T) {
	w := newWorld(t)
	complete := func(args ...string) string {
		out, err := w.command("", append([]string{"__complete", "slack"}, args...)...).Output()
		w.Expect(err).NotTo(gomega.HaveOccurred())
		return string(out)
	}
	w.Expect(complete("prev")).To(gomega.ContainSubstring("preview\tShow what people will see"))
	w.Expect(complete("-n", w.ns, "explain", "slc/")).To(gomega.ContainSubstring("slc/alerts"))
	w.Expect(w.good("--help")).To(gomega.ContainSubstring("kubectl slack [command]"))
	w.Expect(w.good("version", "--client")).To(gomega.HavePrefix("Client: "))
}
