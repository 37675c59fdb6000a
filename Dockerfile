# The gateway in a small image: no compiler, no shell scripts, not root. `docker build -t stockgate .`
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/stockgate
COPY requirements.txt ./
RUN /opt/stockgate/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY domain domain
COPY resolvers resolvers
RUN /opt/stockgate/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home stockgate \
    && install --directory --owner=stockgate /data
COPY --from=build /opt/stockgate /opt/stockgate
ENV PATH=/opt/stockgate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STOCKGATE_ENVIRONMENT=production \
    STOCKGATE_HOST=0.0.0.0 \
    STOCKGATE_DATABASE_URL=sqlite+aiosqlite:////data/stockgate.sqlite3
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Whether it lives. Whether it can serve is what /readyz tells, for the load balancer.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["stockgate"]
CMD ["serve"]
