package intake

import (
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Names of the endpoints in the metrics.
const (
	endpointAlive    = "alive"
	endpointMessage  = "message"
	endpointMessages = "messages"
	endpointAlerts   = "alerts"
	endpointClicks   = "interactions"
	endpointOther    = "other"
)

// Endpoints are what Observe is told of.
var Endpoints = []string{endpointAlive, endpointMessage, endpointMessages, endpointAlerts, endpointClicks, endpointOther}

// route is where a request leads to.
type route struct {
	endpoint        string
	namespace, name string
}

// find reads the path of a request. What is no endpoint is other.
func find(r *http.Request) route {
	path := r.URL.EscapedPath()
	switch {
	case path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return route{endpoint: endpointAlive}
	case r.Method != http.MethodPost:
		return route{endpoint: endpointOther}
	case path == "/message":
		return route{endpoint: endpointMessage}
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 5 || parts[0] != "v1" || parts[1] != "namespaces" {
		return route{endpoint: endpointOther}
	}
	to := route{namespace: parts[2], name: parts[4]}
	switch {
	case parts[3] == "channels" && len(parts) == 6 && parts[5] == "messages":
		to.endpoint = endpointMessages
	case parts[3] == "channels" && len(parts) == 6 && parts[5] == "interactions":
		to.endpoint = endpointClicks
	case parts[3] == "alerts" && len(parts) == 5:
		to.endpoint = endpointAlerts
	}
	if to.endpoint == "" || len(validation.IsDNS1123Label(to.namespace)) > 0 || len(validation.IsDNS1123Subdomain(to.name)) > 0 {
		return route{endpoint: endpointOther}
	}
	return to
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	began := s.Clock.Now()
	to := find(r)
	body := &tracked{ReadCloser: r.Body, ended: r.ContentLength == 0, conn: http.NewResponseController(w), work: s.limits.workTime()}
	r.Body = body
	a := s.serve(r, to)
	a.write(w, r, body)
	s.Observe(to.endpoint, a.code, s.Clock.Since(began))
}

func (s *Server) serve(r *http.Request, to route) *answer {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") && to.endpoint != endpointOther {
		return refuse(http.StatusUnsupportedMediaType, "the body is compressed (Content-Encoding), and is not read: have the sender send it as it is")
	}
	switch to.endpoint {
	case endpointAlive:
		return &answer{code: http.StatusOK, text: "I'm alive!!!"}
	case endpointMessage:
		return s.message(r)
	case endpointMessages:
		return s.messages(r, to)
	case endpointAlerts:
		return s.alerts(r, to)
	case endpointClicks:
		return s.interactions(r, to)
	}
	return refuse(http.StatusNotFound, "there is nothing here; POST to /message, /v1/namespaces/NAMESPACE/channels/SLACKCHANNEL/messages or /v1/namespaces/NAMESPACE/alerts/SLACKALERT")
}
