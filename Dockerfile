# One image for API, worker and reconciler: `tactful` is its entry point.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/tactful
COPY requirements.lock ./
RUN /opt/tactful/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml LICENSE README.md ./
COPY engine engine
COPY feature_store feature_store
COPY models models
COPY workflows workflows
COPY api api
RUN /opt/tactful/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
# LightGBM needs the OpenMP runtime, which the slim image leaves out
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/tactful /opt/tactful
RUN useradd --create-home tactful && install --directory --owner=tactful /data
USER tactful
WORKDIR /data
ENV PATH=/opt/tactful/bin:$PATH TACTFUL_DATA_DIR=/data
ENTRYPOINT ["tactful"]
