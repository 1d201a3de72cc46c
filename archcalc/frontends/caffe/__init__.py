"""Caffe's ``.prototxt`` in its three spellings, with Caffe's rounding, at inference."""
