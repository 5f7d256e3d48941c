package alerting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/message"
)

// trouble is something that is wrong with an object.
type trouble struct {
	// headline in a word or two, and line with what is known of it, as mrkdwn.
	headline, line string
}

// maxTroubles of containers are told.
const maxTroubles = 5

// troubles are what is wrong with an object beside its conditions, by fields
// that Kubernetes' own kinds have
// (kubernetes.io/docs/reference/kubernetes-api/workload-resources).
func troubles(kind string, o map[string]any) []trouble {
	if kind == "Pod" {
		return ofPod(o)
	}
	var out []trouble
	if missing, ok := ofReplicas(o); ok {
		out = append(out, missing)
	}
	status := child(o, "status")
	if phase := text(status, "phase"); slices.Contains([]string{"Pending", "Failed", "Lost", "Error", "Unknown", "Degraded"}, phase) {
		line := "The phase is *" + message.Escape(phase) + "*"
		out = append(out, trouble{phase, line + because(text(status, "reason"), text(status, "message"))})
	}
	return out
}

func ofPod(o map[string]any) []trouble {
	status := child(o, "status")
	var out []trouble
	if phase := text(status, "phase"); phase == "Failed" && text(status, "reason") != "" {
		out = append(out, trouble{text(status, "reason"), "The Pod has failed" + because(text(status, "reason"), text(status, "message"))})
	}
	for _, field := range []string{"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"} {
		list, _ := status[field].([]any)
		for _, item := range list {
			if c, ok := item.(map[string]any); ok && len(out) < maxTroubles {
				if t, bad := ofContainer(c); bad {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// ofContainer tells of a container that waits in vain, has failed, or runs and
// is not ready after it has failed.
func ofContainer(c map[string]any) (trouble, bool) {
	state := child(c, "state")
	waiting, ended, last := child(state, "waiting"), child(state, "terminated"), child(child(c, "lastState"), "terminated")
	t := trouble{line: "Container `" + message.Escape(text(c, "name")) + "`"}
	reason := text(waiting, "reason")
	switch {
	case reason != "" && reason != "ContainerCreating" && reason != "PodInitializing":
		t.headline = reason
		t.line += " is waiting" + because(reason, text(waiting, "message"))
	case number(ended, "exitCode") != 0:
		t.headline, last = failure(ended), nil
		t.line += " has ended with " + exit(ended)
	case c["ready"] == false && number(last, "exitCode") != 0 && len(child(state, "running")) > 0:
		t.headline = failure(last)
		t.line += " is running and not ready"
	default:
		return trouble{}, false
	}
	if number(last, "exitCode") != 0 {
		t.line += "; the last time it ended with " + exit(last)
	}
	if n := number(c, "restartCount"); n > 0 {
		t.line += fmt.Sprintf("; %d restarts", n)
	}
	return t, true
}

// failure is the reason of a container's end.
func failure(ended map[string]any) string {
	if reason := text(ended, "reason"); reason != "" && reason != "Error" {
		return reason
	}
	return fmt.Sprintf("exit code %d", number(ended, "exitCode"))
}

func exit(ended map[string]any) string {
	return fmt.Sprintf("exit code %d", number(ended, "exitCode")) + because(text(ended, "reason"), text(ended, "message"))
}

// because writes a reason and a message, of which either may be missing.
func because(reason, why string) string {
	out := ""
	if reason != "" {
		out = " (" + message.Escape(reason) + ")"
	}
	if why = strings.TrimSpace(why); why != "" {
		out += ": " + message.Escape(shorten(why, maxNote))
	}
	return out
}

// ofReplicas tells how many replicas are missing. A field that is missing in a
// status is 0.
func ofReplicas(o map[string]any) (trouble, bool) {
	status := child(o, "status")
	wanted, ready, what := int64(0), int64(0), "replicas"
	switch _, daemons := status["desiredNumberScheduled"]; {
	case daemons:
		wanted, ready, what = number(status, "desiredNumberScheduled"), number(status, "numberReady"), "Pods"
	default:
		if _, has := status["replicas"]; !has {
			return trouble{}, false
		}
		wanted, ready = number(child(o, "spec"), "replicas"), number(status, "readyReplicas")
	}
	if ready >= wanted {
		return trouble{}, false
	}
	short := fmt.Sprintf("%d of %d %s ready", ready, wanted, what)
	return trouble{short, fmt.Sprintf("%d of %d %s are ready", ready, wanted, what)}, true
}
