# README's first command, for a user without a home and a root file system that is read-only:
#
#   docker build -t amb .
#   docker run --rm --read-only --tmpfs /tmp --user "$(id -u)" -v "$PWD:/work" amb
#
# The study is written to the folder mounted at /work. Any other command of amb can follow the name of the image.

FROM python:3.11-slim AS build
# On Linux, PyTorch's default build brings gigabytes of CUDA.
ENV PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /opt/amb
COPY . .
RUN python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt .

FROM python:3.11-slim
COPY --from=build /opt/amb/.venv /opt/amb/.venv
# Matplotlib stores its list of fonts in the home folder otherwise.
ENV PATH=/opt/amb/.venv/bin:$PATH MPLCONFIGDIR=/tmp
RUN mkdir -m 1777 /work
WORKDIR /work
USER nobody
ENTRYPOINT ["amb"]
CMD ["compare", "--solvers", "protes,tt-b,portfolio"]
