# The action's image: one static binary and the CA bundle, nothing else. GitHub starts it with `docker run`.
# Bases by tag and digest: the digest decides, the tag tells people and Dependabot which line to follow.

FROM rust:1.95-alpine@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS build
WORKDIR /build

# Writes the list of dependencies into the binary, where scanners of images look for it.
RUN cargo install --locked --debug --root /usr/local cargo-auditable@0.7.7

# The dependencies first, around an empty program, so that this layer lasts until they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo auditable build --locked --profile dist --bin mirror-image \
    && rm -r src

# The program. `touch` shows Cargo that these files are newer than the empty ones.
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo auditable build --locked --profile dist --bin mirror-image \
    && cp target/dist/mirror-image /mirror-image

# Both files lie in `build` where they lie here, so that a directory can take the place of the stage above:
# `buildah bud --target final --build-context build=DIRECTORY` pulls and compiles nothing (scripts/container-test).
FROM scratch AS final
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /mirror-image /mirror-image
LABEL org.opencontainers.image.title="mirror-image" \
      org.opencontainers.image.description="Mirrors container images between registries with their digests kept" \
      org.opencontainers.image.licenses="Apache-2.0"
# Here a credential helper that a configuration file names is never run.
ENV MIRROR_IMAGE_CONTAINER=true
# Root, because the runner's files behind GITHUB_OUTPUT belong to another user. No shell: it would drop INPUT_DRY-RUN.
ENTRYPOINT ["/mirror-image"]
