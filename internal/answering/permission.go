package answering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// owner of look-ups in the directory, of which nobody is woken.
const owner = "interaction"

// verdict says whether the person may; what was asked is not asked again when the
// object was read anew and has the same list.
func (p *press) verdict(ctx context.Context, chosen interact.Chosen) interact.Verdict {
	list := chosen.Allowed(p.n)
	data, _ := json.Marshal(list) // strings and a flag
	if v, ok := p.may[string(data)]; ok {
		return v
	}
	home := interact.Home{Enterprise: p.click.EnterpriseID}
	if at := p.channel.Status.Workspace; at != nil {
		home.Team = at.ID
	}
	v := interact.May(list, p.click, home, p.people(ctx, list))
	if v.Unknown == nil {
		p.may = map[string]interact.Verdict{string(data): v}
	}
	return v
}

// lookupsAtOnce of e-mail addresses for one click.
const lookupsAtOnce = 8

// people looks people up, through the SlackChannel that the message went through.
type people struct {
	ctx context.Context //nolint:containedctx // lives for one call of May
	Directory
	ws   directory.Workspace
	list v1alpha1.AllowedPeople
	// err is why nobody can be looked up; nil when it can be tried.
	err  error
	once sync.Once
	// ids of the addresses, or why they are not known.
	ids map[string]found
}

type found struct {
	id  string
	err error
}

func (p *press) people(ctx context.Context, list v1alpha1.AllowedPeople) *people {
	out := &people{ctx: ctx, Directory: p.Directory, list: list}
	if len(list.Users) == 0 && len(list.Groups) == 0 {
		return out
	}
	conn, err := p.Connections.Resolve(ctx, p.channel)
	switch {
	case err != nil:
		out.err = err
		return out
	case conn.API == nil:
		out.err = errors.New("the SlackChannel is an incoming webhook")
		return out
	}
	identity, err := p.identities.of(ctx, conn)
	if err != nil {
		out.err = err
		return out
	}
	out.ws = directory.Workspace{
		Key: conn.Workspace(identity), TeamName: identity.TeamName,
		Credential: conn.Token, API: conn.API, Namespace: p.n.Namespace,
	}
	return out
}

// Has implements interact.People.
func (p *people) Has(email, user string) (bool, error) {
	if p.err != nil {
		return false, p.err
	}
	p.once.Do(p.lookUp)
	got := p.ids[email]
	return got.id == user && got.id != "", got.err
}

// lookUp looks all addresses up, some at once, since there is little time.
func (p *people) lookUp() {
	p.ids = map[string]found{}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, lookupsAtOnce)
	for _, u := range p.list.Users {
		if u.Email == "" {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			user, err := p.FindUser(p.ctx, p.ws, directory.Query{Email: u.Email}, owner)
			if nobody(err) {
				user, err = slack.User{}, nil
			}
			mu.Lock()
			defer mu.Unlock()
			p.ids[u.Email] = found{user.ID, err}
		})
	}
	group.Wait()
}

// nobody reports whether an error says that no active person is meant.
func nobody(err error) bool {
	return errors.As(err, new(*directory.NotFoundError)) || errors.As(err, new(*directory.DeactivatedError)) || errors.As(err, new(*directory.NotMessageableError))
}

// Member implements interact.People.
func (p *people) Member(group, user string) (bool, error) {
	if p.err != nil {
		return false, p.err
	}
	is, err := p.IsMember(p.ctx, p.ws, group, user, owner)
	if errors.As(err, new(*directory.NotFoundError)) {
		err = interact.ErrNoGroup
	}
	return is, err
}

// warn records that somebody was refused, at most once a minute for an object.
func (p *press) warn(chosen interact.Chosen, v interact.Verdict) {
	if !p.denied.may(p.n.UID, p.Clock.Now()) {
		return
	}
	who := p.click.UserID
	if p.click.UserName != "" {
		who = p.click.UserName + " (" + p.click.UserID + ")"
	}
	why := "is not in the list of who may"
	switch {
	case v.External:
		why = fmt.Sprintf("is from outside of the workspace (%s), and may only when users names the ID", p.click.UserTeamID)
	case errors.Is(v.Unknown, interact.ErrNoGroup):
		why = "is not in the list of who may, of which a user group was not found"
	}
	field := "spec.answers.allowed"
	if chosen.Action.Allowed != nil {
		i := slices.IndexFunc(p.n.Spec.Actions, func(a v1alpha1.Action) bool { return a.Name == chosen.Action.Name })
		field = fmt.Sprintf("spec.actions[%d].allowed", i)
	}
	p.Recorder.Eventf(p.n, nil, corev1.EventTypeWarning, v1alpha1.ReasonResponseDenied, "Answer", "%s",
		conditions.Note(fmt.Sprintf("%s pressed %q and %s (%s): nothing was recorded", who, chosen.Action.Name, why, field)))
}
