#!/bin/sh
# Removes what no step runs from an environment. Usage: slim.sh ENVIRONMENT
set -eu
site=$(echo "$1"/lib/python3.*/site-packages)

# Notebooks, which TFMA requires to draw in them, the C compiler's parser, which
# TensorFlow requires and never imports, and clients of databases with data.
pip --python "$1" uninstall --quiet --yes \
  adbc-driver-manager adbc-driver-postgresql arro3-core babel connectorx debugpy \
  deltalake duckdb jedi jupyterlab jupyterlab-server jupyterlab-widgets libclang \
  nbconvert notebook notebook-shim widgetsnbextension

cd "$site"
# Headers and sources for compilers, and other packages' tests.
rm -rf tensorflow/include pyarrow/include pyarrow/src numpy/core/include
find . -type d \( -name tests -o -name testdata \) -prune -exec rm -rf {} +
find . -type f \( -name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' \
  -o -name '*.pyx' -o -name '*.pyi' \) -delete
# tensorflow-io's decoders of audio and video; its file systems (S3) are kept.
find tensorflow_io -name '*.so' ! -name 'libtensorflow_io_plugins.so' -delete
