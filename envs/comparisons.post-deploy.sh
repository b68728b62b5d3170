#!/usr/bin/env bash
# scETM declares louvain, which it does not import and which would have to be compiled here.
pip install --no-deps scETM==0.5.0
