# camdetect in a container. Build: docker build -t camdetect .     Run: see compose.yaml.
#
# It wants the host's network (--network host): multicast, ARP and the neighbour table of a bridge network are not those
# of the LAN, and behind NAT no announcement of a camera is heard. `camdetect doctor` says so when it finds itself there.

FROM debian:trixie-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils ca-certificates python3-venv \
    && python3 -m venv --without-pip /opt/camdetect \
    && python3 -m venv /opt/build
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE CHANGELOG.md ./
COPY docs docs
COPY packaging packaging
COPY twisted_detector twisted_detector
COPY twisted twisted
# Left out: tests, headers and sources of others, and the debugger's symbols. Compiled once, and the list of twistd's plugins
# written once: nobody can write either when it runs.
RUN /opt/build/bin/pip --python /opt/camdetect/bin/python install --no-cache-dir --no-compile '.[decode]' \
    && cd /opt/camdetect/lib/python3*/site-packages \
    && find . -depth -type d \( -path '*/test' -o -path '*/tests' -o -path './lxml/includes' \) -exec rm -r {} + \
    && find . -type f \( -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' \) -delete \
    && find . -name '*.so' -exec strip --strip-unneeded {} + \
    && /opt/camdetect/bin/python -m compileall -q . \
    && /opt/camdetect/bin/python -c 'from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))' \
    && /opt/camdetect/bin/camdetect --version

FROM debian:trixie-slim
# mosquitto is the embedded broker, for whoever has none; with MQTT_BROKER set it is not started.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates mosquitto python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && useradd --system --uid 10001 --home-dir /var/lib/camdetect --shell /usr/sbin/nologin camdetect \
    && install --directory --owner camdetect --group camdetect --mode 0700 /var/lib/camdetect /broker /secrets
COPY --from=build /opt/camdetect /opt/camdetect
USER camdetect
ENV PATH=/opt/camdetect/bin:/usr/sbin:/usr/bin:/sbin:/bin STATE_DIR=/var/lib/camdetect PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /var/lib/camdetect
# The page; on loopback unless WEB_LISTEN says otherwise (`camdetect page` then prints a link that signs in).
EXPOSE 8787
# It answers over its control socket; how the broker or the cameras are does not make a container unhealthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["camdetect", "status", "--quiet"]
ENTRYPOINT ["camdetect"]
CMD ["run"]
