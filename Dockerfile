# docker build -t interp .                                     with a GPU: docker build --build-arg EXTRAS=[gpu] -t interp .
# docker run --rm -v "$PWD/gen_images:/work/gen_images" interp         runs the demo, gen_images/demo/report.html is its page
# docker run --rm interp task --help                                   any other command of interp
FROM python:3.13-slim
ARG EXTRAS=""
WORKDIR /build
COPY . .
RUN pip install --no-cache-dir -c constraints.txt ".${EXTRAS}" ./networks && rm -rf /build/*
WORKDIR /work
ENTRYPOINT ["interp"]
CMD ["demo"]
