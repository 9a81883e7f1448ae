# camdetect in a container. Build: docker build -t camdetect .     Run: see compose.yaml.
#
# It wants the host's network (--network host): multicast, ARP and the neighbour table of a bridge network are not those
# of the LAN, and behind NAT no announcement of a camera is heard. `camdetect doctor` says so when it finds itself there.

FROM debian:trixie-slim AS build
# mosquitto is the embedded broker, for whoever has none; with MQTT_BROKER set it is not started.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils ca-certificates mosquitto netbase python3-venv tzdata \
    && python3 -m venv --without-pip /opt/camdetect \
    && python3 -m venv /opt/build
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE CHANGELOG.md ./
COPY docs docs
COPY packaging packaging
COPY twisted_detector twisted_detector
COPY twisted twisted
# Left out: tests, headers and sources of others, the debugger's symbols, and what nobody imports: lxml's other way to read,
# and what rich wants for source code and Markdown. Compiled once, and the list of twistd's plugins written once: nobody can
# write either when it runs.
RUN /opt/build/bin/pip --python /opt/camdetect/bin/python install --no-cache-dir --no-compile '.[decode]' \
    && cd /opt/camdetect/lib/python3*/site-packages \
    && rm -r pygments* markdown_it* mdurl* lxml/objectify* /opt/camdetect/include \
    && find . -depth -type d \( -path '*/test' -o -path '*/tests' -o -path './lxml/includes' \) -exec rm -r {} + \
    && find . -type f -regex '.*\.\(c\|cpp\|h\|pyx\|pxd\|pxi\|pyi\)' -delete \
    && find . -name '*.so' -exec strip --strip-unneeded {} + \
    && /opt/camdetect/bin/python -m compileall -q . \
    && /opt/camdetect/bin/python -c 'from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))' \
    && python3 /src/packaging/container/trim_decoder.py "$PWD" twisted_detector/testing/simulator/media/clip.h264
# The image is what these need to run, and no distribution: no shell, no package manager, nothing with more rights than its
# user (packaging/container/gather.py).
RUN groupadd --system --gid 10001 camdetect \
    && useradd --system --uid 10001 --gid camdetect --home-dir /var/lib/camdetect --shell /usr/sbin/nologin camdetect \
    && install --directory --owner camdetect --group camdetect --mode 0700 /var/lib/camdetect /broker /secrets \
    && install --directory /etc/camdetect/plugins \
    && python3 /src/packaging/container/gather.py /image /opt/camdetect /usr/bin/python3 /usr/lib/python3.* /usr/sbin/mosquitto \
        /etc/passwd /etc/group /etc/nsswitch.conf /etc/protocols /etc/services /etc/localtime /etc/os-release \
        /etc/ssl /usr/lib/ssl /usr/share/ca-certificates /usr/share/zoneinfo \
        /var/lib/camdetect /broker /secrets /etc/camdetect \
    && install --directory --mode 1777 /image/tmp \
    && chroot /image /opt/camdetect/bin/camdetect --version

FROM scratch
COPY --from=build /image /
USER 10001:10001
ENV PATH=/opt/camdetect/bin:/usr/sbin:/usr/bin:/sbin:/bin STATE_DIR=/var/lib/camdetect PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /var/lib/camdetect
# The page; on loopback unless WEB_LISTEN says otherwise (`camdetect page` then prints a link that signs in).
EXPOSE 8787
# It answers over its control socket; how the broker or the cameras are does not make a container unhealthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["camdetect", "status", "--quiet"]
ENTRYPOINT ["camdetect"]
CMD ["run"]
