# The binary, and nothing that builds it. Not built where this was written, which has no container engine.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends pkg-config libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /daybook
COPY . .
RUN cargo build --locked --release -p daybook

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --uid 40003 daybook
COPY --from=build /daybook/target/release/daybook /usr/local/bin/daybook
# Writes nothing: its root may be read-only.
USER 40003
EXPOSE 40003
ENTRYPOINT ["daybook"]
