# The version of go.mod, so that no other toolchain is fetched; for an image that
# nobody can exchange, name it by digest (golang@sha256:…).
ARG GO_VERSION=1.26.8
# An image without shell and packages; any other static one will do.
ARG BASE=scratch
FROM golang:${GO_VERSION} AS build
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api/ api/
COPY cmd/slack-notifier/ cmd/slack-notifier/
COPY controllers/ controllers/
COPY internal/ internal/
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags "-s -w" -o /slack-notifier ./cmd/slack-notifier
# Licences ask for their texts in copies of a binary.
COPY LICENSE ./
COPY hack/licenses.sh hack/
RUN hack/licenses.sh /licenses

FROM ${BASE}
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /licenses /licenses
COPY --from=build /slack-notifier /slack-notifier
USER 65532:65532
ENTRYPOINT ["/slack-notifier"]
