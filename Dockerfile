# The HTTP service (docs/service.md). Neither stage needs a compiler: every dependency has a wheel.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN python -m venv /opt/luxel
RUN /opt/luxel/bin/pip install --no-cache-dir -c constraints.txt '.[serve,heif]'

FROM python:3.11-slim
COPY --from=build /opt/luxel /opt/luxel
# Nothing is written but files in /tmp, so the root file system may be read-only.
ENV PATH=/opt/luxel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    LUXEL_SERVE_HOST=0.0.0.0 \
    LUXEL_SERVE_PORT=8080
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['LUXEL_SERVE_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["luxel", "serve"]
