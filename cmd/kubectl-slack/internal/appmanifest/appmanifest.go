// Package appmanifest makes the manifest of the Slack app that the operator needs
// (docs.slack.dev/reference/app-manifest), with the scopes that are needed and no
// other.
package appmanifest

import (
	"encoding/json"
	"net/url"
	"slices"

	"sigs.k8s.io/yaml"
)

// Options say what the app is to be able to do. Posting to channels by ID is always
// possible.
type Options struct {
	// Name of the app and its bot.
	Name string
	// Channels finds public channels by name and joins them.
	Channels bool
	// Private finds private channels by name, which the bot was invited to.
	Private bool
	// People finds people by handle, and sends them direct messages.
	People bool
	// Email finds people by e-mail address.
	Email bool
	// Groups mentions user groups by handle.
	Groups bool
	// Verify looks whether a message has arrived when Slack's answer did not.
	Verify bool
	// Sender lets messages have another name or icon.
	Sender bool
	// Manage creates and describes channels.
	Manage bool
	// Buttons takes clicks, by Socket Mode.
	Buttons bool
}

// All is everything that the operator can make use of.
func All(name string) Options {
	return Options{Name: name, Channels: true, Private: true, People: true, Email: true, Groups: true, Verify: true, Sender: true, Manage: true}
}

// Scopes are the bot scopes that are needed, in the order of their importance.
func (o Options) Scopes() []string {
	out := []string{"chat:write"}
	add := func(wanted bool, scopes ...string) {
		for _, scope := range scopes {
			if wanted && !slices.Contains(out, scope) {
				out = append(out, scope)
			}
		}
	}
	add(o.Sender, "chat:write.customize")
	add(o.Channels, "channels:read", "channels:join")
	add(o.Channels && o.Verify, "channels:history")
	add(o.Private, "groups:read")
	add(o.Private && o.Verify, "groups:history")
	add(o.People || o.Email, "im:write", "users:read")
	add((o.People || o.Email) && o.Verify, "im:history")
	add(o.Email, "users:read.email")
	add(o.Groups, "usergroups:read")
	add(o.Manage, "channels:read", "channels:manage")
	add(o.Manage && o.Private, "groups:write")
	return out
}

type manifest struct {
	DisplayInformation struct {
		Name string `json:"name"`
	} `json:"display_information"`
	Features struct {
		BotUser struct {
			DisplayName  string `json:"display_name"`
			AlwaysOnline bool   `json:"always_online"`
		} `json:"bot_user"`
		AppHome *appHome `json:"app_home,omitempty"`
	} `json:"features"`
	OAuth struct {
		Scopes struct {
			Bot []string `json:"bot"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings struct {
		Interactivity *interactivity `json:"interactivity,omitempty"`
		OrgDeploy     bool           `json:"org_deploy_enabled"`
		SocketMode    bool           `json:"socket_mode_enabled"`
		TokenRotation bool           `json:"token_rotation_enabled"`
	} `json:"settings"`
}

// appHome has people be sent direct messages; they write no answers.
type appHome struct {
	Messages bool `json:"messages_tab_enabled"`
	ReadOnly bool `json:"messages_tab_read_only_enabled"`
}

type interactivity struct {
	Enabled bool `json:"is_enabled"`
}

func (o Options) manifest() manifest {
	var m manifest
	m.DisplayInformation.Name = o.Name
	m.Features.BotUser.DisplayName, m.Features.BotUser.AlwaysOnline = o.Name, true
	if o.People || o.Email {
		m.Features.AppHome = &appHome{Messages: true, ReadOnly: true}
	}
	m.OAuth.Scopes.Bot = o.Scopes()
	if o.Buttons {
		m.Settings.Interactivity, m.Settings.SocketMode = &interactivity{Enabled: true}, true
	}
	return m
}

// YAML is the manifest to paste.
func (o Options) YAML() ([]byte, error) { return yaml.Marshal(o.manifest()) }

// JSON is the manifest to paste.
func (o Options) JSON() ([]byte, error) { return json.MarshalIndent(o.manifest(), "", "  ") }

// URL is the address that opens Slack's page for a new app with the manifest filled in
// (docs.slack.dev/app-manifests/configuring-apps-with-app-manifests).
func (o Options) URL() (string, error) {
	data, err := json.Marshal(o.manifest())
	if err != nil {
		return "", err
	}
	return "https://api.slack.com/apps?new_app=1&manifest_json=" + url.QueryEscape(string(data)), nil
}
