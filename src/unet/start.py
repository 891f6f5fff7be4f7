"""The former name of `framework`, for scripts that import it."""

from .framework import import_keras as import_keras
