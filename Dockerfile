# The gateway, and with `--target headers` or `--target api_key` an example plugin server.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist -p outrigger-gateway -p outrigger-plugin \
        --bin outrigger --example headers --example api_key \
    && mkdir /out \
    && mv target/dist/outrigger target/dist/examples/headers target/dist/examples/api_key /out/ \
    && rm -r target

# One user for all, so that the gateway may use the sockets of its plugin servers.
FROM debian:bookworm-slim AS base
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin outrigger \
    && install -d -o outrigger -g outrigger /run/plugins /var/lib/outrigger

FROM base AS headers
COPY --from=build /out/headers /usr/local/bin/
USER 10001:10001
ENTRYPOINT ["headers"]
CMD ["0.0.0.0:5555"]

FROM base AS api_key
COPY --from=build /out/api_key /usr/local/bin/
USER 10001:10001
ENTRYPOINT ["api_key"]
CMD ["0.0.0.0:5555"]

# Reads /etc/tyk/tyk.conf, and stores sessions in /var/lib/outrigger/data unless that file says otherwise.
FROM base AS gateway
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/outrigger /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/outrigger
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["outrigger", "healthcheck"]
ENTRYPOINT ["outrigger"]
