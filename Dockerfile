# The image of the operator: built from locked, hashed packages, run by nobody in particular, writing nothing.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m venv /opt/rekey \
 && /opt/rekey/bin/python -m pip install --quiet --require-hashes --requirement requirements/run.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --quiet --require-hashes --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/rekey/bin/python -m pip install --quiet --no-deps --no-index /wheels/rekey-*.whl \
 && /opt/rekey/bin/python -m pip uninstall --quiet --yes pip setuptools \
 && /opt/rekey/bin/python -m compileall -q /opt/rekey/lib

FROM ${PYTHON}
# LOGNAME: kopf names the process after its user, and a uid without an entry in /etc/passwd has no name.
ENV LOGNAME=rekey PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/rekey/bin:$PATH
COPY --from=build /opt/rekey /opt/rekey
USER 65532:65532
WORKDIR /
ENTRYPOINT ["rekey"]
CMD ["run"]
