# The command and its workflow, on the CPU:
#   docker build -t magan . && docker run --rm -v "$PWD":/data magan correct samples.tsv -o corrected
FROM python:3.11-slim
COPY . /magan
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    --constraint /magan/envs/constraints.txt "/magan[peers]" && rm -rf /magan
WORKDIR /data
ENTRYPOINT ["magan"]
