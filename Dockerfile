# The base is any image with Python 3.11 or newer as python3, venv included.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/calltools-exporter
COPY requirements/build.txt requirements/run.txt requirements/
RUN /build/bin/pip install --no-deps --require-hashes -r requirements/build.txt && \
    /build/bin/pip --python /opt/calltools-exporter/bin/python \
        install --no-deps --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY prometheus prometheus
COPY grafana/dashboards grafana/dashboards
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . && \
    /build/bin/pip --python /opt/calltools-exporter/bin/python \
        install --no-deps --no-index --find-links /wheel calltools-exporter

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="calltools-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the agents available in CallTools queues" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/calltools-exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/calltools-exporter /opt/calltools-exporter
# exporter.yml is looked for here: mount a folder with it.
WORKDIR /etc/calltools-exporter
USER 65532:65532
EXPOSE 15457
# For another port, or TLS, give the container a health check of its own.
# It asks itself, so not through the proxy that http_proxy may name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", \
  "from http.client import HTTPConnection as C; c = C('127.0.0.1', 15457, timeout=4); \
   c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["calltools-exporter"]
