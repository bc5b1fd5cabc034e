# SPDX-License-Identifier: Apache-2.0
#
# The program, and with --target gateway the lean gateway alone:
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t headgate .
#   docker build --target gateway -t headgate-gateway .
#
# Both are a static binary and the certificates of public authorities, and run
# as a user without rights. Nothing is fetched when they run.
ARG GO_VERSION=1.26

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/... \
 && mkdir /data

FROM scratch AS gateway
ARG VERSION=unknown
LABEL org.opencontainers.image.title="headgate-gateway" \
      org.opencontainers.image.description="The gateway of Headgate, which follows a snapshot" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build /out/headgate-gateway /headgate-gateway
# The last good snapshot is kept here: mount a volume if it is to outlive the pod.
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["/headgate-gateway"]

FROM scratch AS headgate
ARG VERSION=unknown
LABEL org.opencontainers.image.title="headgate" \
      org.opencontainers.image.description="Decides how much live traffic a model version may have" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /data /data
COPY --from=build /out/headgate /headgate
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["/headgate"]
