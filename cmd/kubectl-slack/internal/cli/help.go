package cli

import (
	"github.com/spf13/cobra"
)

// usage is kubectl's form: examples before flags, and those of all commands apart.
const usage = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{if .HasAvailableSubCommands}}Available Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}

{{end}}{{if and .HasParent .HasAvailableLocalFlags}}Options:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if and .Runnable (not .HasAvailableSubCommands)}}{{.UseLine}}{{else}}{{.CommandPath}} [command]{{end}}

{{if .HasAvailableSubCommands}}Use "{{.CommandPath}} [command] --help" for more information about a given command.
{{end}}Use "{{.Root.CommandPath}} options" for a list of global command-line options (applies to all commands).
`

// help has the commands explain themselves as kubectl's do.
func (a *app) help(root *cobra.Command) {
	root.SetUsageTemplate(usage)
	root.AddCommand(&cobra.Command{
		Use: "options", Short: "Print the options that all commands take", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			a.say("The following options can be passed to any command:\n\n%s", trimmed([]byte(root.PersistentFlags().FlagUsages())))
		},
	})
}
