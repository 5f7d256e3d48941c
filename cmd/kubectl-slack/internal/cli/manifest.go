package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/appmanifest"
)

func (a *app) manifestCommand() *cobra.Command {
	o, all, output, open := appmanifest.Options{Name: "slack-notifier", Channels: true, Verify: true}, false, "yaml", false
	c := &cobra.Command{
		Use:   "app-manifest",
		Short: "The manifest of a Slack app with the scopes that you need",
		Long: `The manifest of a Slack app with the scopes that you need, and no other: to paste at
https://api.slack.com/apps (Create New App, From a manifest), or as a link that has it
filled in.

Left as it is, the app finds and joins public channels, posts to them, and looks whether
a message has arrived.`,
		Example: `
  # Direct messages by e-mail address, and buttons; in the browser
  kubectl slack app-manifest --email --buttons -o url --open

  # All that the operator can make use of
  kubectl slack app-manifest --all`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if all {
				buttons := o.Buttons
				o = appmanifest.All(o.Name)
				o.Buttons = buttons
			}
			return a.manifest(o, output, open)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Name, "name", o.Name, "The app's name.")
	f.BoolVar(&o.Channels, "channels", o.Channels, "Find public channels by name, and join them.")
	f.BoolVar(&o.Private, "private", false, "Find private channels by name, into which the bot is invited.")
	f.BoolVar(&o.People, "people", false, "Find people by handle, and send them direct messages.")
	f.BoolVar(&o.Email, "email", false, "Find people by e-mail address too.")
	f.BoolVar(&o.Groups, "mentions", false, "Mention user groups by handle.")
	f.BoolVar(&o.Verify, "verify", o.Verify, "Look whether a message has arrived when Slack's answer did not, so that none is sent twice.")
	f.BoolVar(&o.Sender, "sender", false, "Let messages have another name or icon.")
	f.BoolVar(&o.Manage, "manage", false, "Create and describe channels (spec.manage); with --private, private ones too.")
	f.BoolVar(&o.Buttons, "buttons", false, "Take clicks on buttons, by Socket Mode.")
	f.BoolVar(&all, "all", false, "All of these but --buttons.")
	f.StringVarP(&output, "output", "o", output, "yaml, json or url.")
	f.BoolVar(&open, "open", false, "Open the link in a browser.")
	return c
}

func (a *app) manifest(o appmanifest.Options, output string, open bool) error {
	address, err := o.URL()
	if err != nil {
		return err
	}
	switch output {
	case "yaml", "json":
		write := o.YAML
		if output == "json" {
			write = o.JSON
		}
		data, err := write()
		if err != nil {
			return err
		}
		a.say("%s", trimmed(data))
	case "url":
		a.say("%s", address)
	default:
		return fmt.Errorf("--output %q is none of yaml, json and url", output)
	}
	if o.Buttons {
		a.hint("for the buttons, make an app-level token with the scope connections:write at Basic Information, App-Level Tokens")
	}
	if open {
		return a.browse(address)
	}
	return nil
}

func trimmed(data []byte) string {
	for len(data) > 0 && data[len(data)-1] == '\n' {
		data = data[:len(data)-1]
	}
	return string(data)
}
