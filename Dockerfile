# The service, with the shipped networks and without TensorFlow. It writes nothing, so that its root can be read-only:
#   docker build -t aifashion .
#   docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:8000:8000 aifashion
# What follows the name of the image are options of `aifashion serve`, such as --allow-host photos.example.org.
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE requirements.lock /source/
COPY docker/steps.sh /source/docker/
COPY src /source/src
RUN sh /source/docker/steps.sh /opt/aifashion

FROM python:3.13-slim
COPY --from=build /opt/aifashion /opt/aifashion
# Of the command's own log, and of compiled networks, nothing is kept.
ENV PATH=/opt/aifashion/bin:$PATH AIFASHION_RUN_LOG="" AIFASHION_CACHE="" \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/readyz', timeout=4)"]
ENTRYPOINT ["aifashion", "serve", "--host", "0.0.0.0", "--port", "8000"]
