# hotpeers in one image: the sidecar, the controller and the shim. `make image` builds it.
#
# BASE is an image with Python 3.11 or newer, glibc and a shell. A digest makes the build reproducible:
#   docker build --build-arg BASE=python:3.13-slim@sha256:… -t hotpeers .
# No line depends on the architecture, and nothing is compiled: every locked package has wheels for
# amd64 and arm64.
ARG BASE=python:3.13-slim

# -- build stages, with uv from its own lock. The images contain only /opt/venv of these stages.
FROM ${BASE} AS tools
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 VIRTUAL_ENV=/opt/venv PATH=/tools/bin:$PATH \
    BYTECODE="--invalidation-mode=unchecked-hash -x /kubernetes_asyncio/client/(api|models)/"
COPY requirements/uv.txt requirements/
# The virtual environment is not in /opt/hotpeers, because a pod mounts the shim's volume there.
RUN python3 -m venv /tools && pip install --quiet --require-hashes -r requirements/uv.txt \
 && python3 -m venv --without-pip /opt/venv

FROM tools AS wheel
COPY requirements/build.txt requirements/
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
COPY runtime_patch runtime_patch
RUN uv build --quiet --wheel --require-hashes --build-constraints requirements/build.txt --out-dir dist

FROM tools AS demo-wheel
COPY requirements/build.txt requirements/
COPY demo demo
RUN uv build --quiet --wheel --require-hashes --build-constraints requirements/build.txt --out-dir dist demo

# Bytecode is not checked against its source (unchecked-hash), since neither changes in an image:
# processes start faster, and two builds give the same bytes. The parts of the Kubernetes client that
# the sidecar never imports (hotpeers/kube/lazy.py) get no bytecode.
# Dependencies come first, so that a change of hotpeers does not download them again.
FROM tools AS product
COPY requirements/product.txt requirements/
RUN uv pip install --quiet --no-build --require-hashes -r requirements/product.txt \
 && /opt/venv/bin/python -m compileall -q $BYTECODE /opt/venv/lib
COPY --from=wheel /src/dist dist
# Use pip, because uv records the modification time of a wheel, which differs in each build.
RUN pip --python /opt/venv/bin/python install --quiet --no-compile --no-deps --no-index --find-links dist hotpeers \
 && /opt/venv/bin/python -m compileall -q $BYTECODE /opt/venv/lib

FROM product AS product-demo
COPY requirements/demo.txt requirements/
RUN uv pip install --quiet --no-build --require-hashes -r requirements/demo.txt
COPY --from=demo-wheel /src/dist dist
RUN pip --python /opt/venv/bin/python install --quiet --no-compile --no-deps --no-index --find-links dist hotpeers-demo \
 && /opt/venv/bin/python -m compileall -q $BYTECODE /opt/venv/lib

FROM tools AS kagent
COPY requirements/kagent.txt requirements/
RUN uv pip install --quiet --no-build --require-hashes -r requirements/kagent.txt \
 && /opt/venv/bin/python -m compileall -q $BYTECODE /opt/venv/lib

# -- runtime: the base without its installers. The base may lack the standard library's bytecode, so
# compile it.
FROM ${BASE} AS runtime
RUN lib="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && bin="$(python3 -c 'import sysconfig; print(sysconfig.get_path("scripts"))')" \
 && rm -rf "$lib"/site-packages/* "$lib/ensurepip" "$bin"/pip* "$bin"/idle* \
 && python3 -m compileall -q -x '/(test|tests|idlelib|lib2to3|tkinter|turtledemo)/' \
      --invalidation-mode unchecked-hash "$lib"
# The image works with any user and a read-only root file system. A pod has volumes at these folders;
# a Docker volume inherits their owner.
RUN mkdir -p /config /opt/hotpeers /var/run/hotpeers/peers /var/run/hotpeers/acks \
 && chown -R 65532:65532 /config /opt/hotpeers /var/run/hotpeers
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /

# -- for compose.yaml: kagent as released, without hotpeers
FROM runtime AS orchestrator
COPY --from=kagent /opt/venv /opt/venv
ENTRYPOINT ["kagent-adk"]

# -- for compose.yaml: sub-agents, the scripted model and the replacement of kagent's controller
FROM runtime AS demo
COPY --from=product-demo /opt/venv /opt/venv
ENTRYPOINT ["python", "-m"]

# -- the product; also the default target
FROM runtime AS hotpeers
COPY --from=product /opt/venv /opt/venv
ENTRYPOINT ["hotpeers"]
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="hotpeers" \
      org.opencontainers.image.description="Lets a running kagent or Google ADK orchestrator gain, lose and change sub-agents with no restart" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
