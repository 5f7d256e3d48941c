# The same files as those of `make image`, put together by the same code, for
# those who build with Docker.
#
# The version of go.mod, so that no other toolchain is fetched; for an image that
# nobody can exchange, name it by digest (golang@sha256:…).
ARG GO_VERSION=1.26.8
# An image without shell and packages; any other static one will do.
ARG BASE=scratch
FROM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY hack/image/go.mod hack/image/go.sum hack/image/
RUN go mod download && cd hack/image && go mod download
COPY LICENSE ./
COPY api/ api/
COPY cmd/slack-notifier/ cmd/slack-notifier/
COPY controllers/ controllers/
COPY internal/ internal/
COPY hack/licenses.sh hack/
COPY hack/image/ hack/image/
# BuildKit says for which architecture; a default here would hide what it says.
ARG TARGETARCH
ARG REVISION=unknown
RUN go run -C hack/image . --root /src --rootfs /rootfs --arch "${TARGETARCH:-$(go env GOARCH)}" --revision ${REVISION}

FROM ${BASE}
ARG VERSION
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slack-notifier" \
      org.opencontainers.image.description="Kubernetes operator that sends what has to be said about a cluster to Slack" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/slack-notifier/slack-notifier" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /rootfs/ /
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/slack-notifier"]
