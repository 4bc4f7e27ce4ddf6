# The action's image: one static binary and the CA bundle, nothing else. GitHub starts it with `docker run`.

FROM rust:1.95-alpine AS build
WORKDIR /build

# The dependencies first, around an empty program, so that this layer lasts until they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --locked --release --bin mirror-image \
    && rm -r src

# The program. `touch` shows Cargo that these files are newer than the empty ones.
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --locked --release --bin mirror-image \
    && cp target/release/mirror-image /mirror-image

# Both files lie in `build` where they lie here, so that a directory can take the place of the stage above:
# `buildah bud --target final --build-context build=DIRECTORY` pulls and compiles nothing (scripts/container-test).
FROM scratch AS final
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /mirror-image /mirror-image
LABEL org.opencontainers.image.title="mirror-image" \
      org.opencontainers.image.description="Mirrors container images between registries with their digests kept" \
      org.opencontainers.image.licenses="Apache-2.0"
# Root, because the runner's files behind GITHUB_OUTPUT belong to another user. No shell: it would drop INPUT_DRY-RUN.
ENTRYPOINT ["/mirror-image"]
