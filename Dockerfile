# The server in an image without a shell: one binary, one volume (/data), user 10001, a root file system that may be read-only.
#
#   docker build -t moothall .
#   docker run --read-only -p 127.0.0.1:3000:3000 -v moothall-data:/data moothall

FROM rust:1-slim-bookworm AS build
# `bundled`: libpq without TLS, for a PostgreSQL beside this container. `tls`: for sslmode=require to one elsewhere.
ARG FEATURES=bundled
WORKDIR /src
# hadolint ignore=DL3008
RUN if [ "$FEATURES" = tls ]; then \
      apt-get update && apt-get install -y --no-install-recommends libssl-dev pkg-config && rm -rf /var/lib/apt/lists/*; \
    fi

# The dependencies alone first: this layer stays in the cache until the lock file changes.
COPY Cargo.toml Cargo.lock ./
# Holds a flag for the bundled SQLite.
COPY .cargo .cargo
RUN mkdir -p src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --no-default-features --features "$FEATURES" \
 && rm -r src

COPY build.rs ./
COPY migrations migrations
COPY src src
# The empty sources above are newer than these, by their times.
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --no-default-features --features "$FEATURES" \
 && install -D target/release/moothall /out/moothall \
 && mkdir /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/moothall /usr/local/bin/moothall
# A new named volume takes the owner of this directory; a bind mount has to be given to 10001 by hand.
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
WORKDIR /data
ENV HOST=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data \
    LOG_FORMAT=json
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["/usr/local/bin/moothall", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/moothall"]
CMD ["serve"]
