"""Presigned URLs that are good for so many bytes and no others; the S3 client signs the host alone.

Source: AWS Signature Version 4, "Authenticating Requests: Using Query Parameters", where any header may be among the signed.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

SIGNED = "content-length;host"
_PLAIN = "-_.~"


def of_length(url: str, method: str, size: int, secret_key: str) -> str:
    """The presigned ``url`` signed anew, so that the request must carry ``Content-Length: size``."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.pop("X-Amz-Signature")
    query["X-Amz-SignedHeaders"] = SIGNED
    asked = "&".join(sorted(f"{quote(k, safe=_PLAIN)}={quote(v, safe=_PLAIN)}" for k, v in query.items()))
    headers = f"content-length:{size}\nhost:{parts.netloc}\n"
    canonical = "\n".join((method, parts.path, asked, headers, SIGNED, "UNSIGNED-PAYLOAD"))
    scope = query["X-Amz-Credential"].split("/")[-4:]
    told = (query["X-Amz-Algorithm"], query["X-Amz-Date"], "/".join(scope), _hex(canonical))
    key = f"AWS4{secret_key}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, "\n".join(told).encode(), "sha256").hex()
    return parts._replace(query=f"{asked}&X-Amz-Signature={signature}").geturl()


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
