# syntax=docker/dockerfile:1
# camdetect in a container. Build: docker build -t camdetect .     Run: see compose.yaml.
#
# It wants the host's network (--network host): multicast, ARP and the neighbour table of a bridge network are not those
# of the LAN, and behind NAT no announcement of a camera is heard. `camdetect doctor` says so when it finds itself there.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY twisted_detector twisted_detector
COPY twisted twisted
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[decode]'

FROM python:3.13-slim
# The embedded broker, for whoever has none; with MQTT_BROKER set it is not started.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends mosquitto \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=from=build,source=/wheels,target=/wheels pip install --no-cache-dir --no-index --find-links /wheels 'camdetect[decode]' \
    && useradd --system --uid 10001 --home-dir /var/lib/camdetect --shell /usr/sbin/nologin camdetect \
    && install --directory --owner camdetect --group camdetect --mode 0700 /var/lib/camdetect
USER camdetect
ENV STATE_DIR=/var/lib/camdetect PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /var/lib/camdetect
# The page; on loopback unless WEB_LISTEN says otherwise (then WEB_TOKEN is required).
EXPOSE 8787
# It answers over its control socket; how the broker or the cameras are does not make a container unhealthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["camdetect", "status", "--quiet"]
ENTRYPOINT ["camdetect"]
CMD ["run"]
