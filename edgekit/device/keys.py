"""Ed25519 key files of OpenSSH: written for virtual boards, and the fingerprints by which keys are compared."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path


def write_key(path: Path) -> None:
    """A new key pair: `path` (readable by the owner only) and `path`.pub."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".pub").write_bytes(public + b" edgekit\n")
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)


def fingerprint_of(blob: bytes) -> str:
    """`SHA256:...` of a public key as the protocol sends it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def fingerprint(path: Path) -> str:
    """`SHA256:...` of the key pair at `path`, from its public file."""
    return fingerprint_of(base64.b64decode(path.with_suffix(".pub").read_text().split()[1]))
