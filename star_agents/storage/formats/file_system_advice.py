"""What to do about an error of a file system elsewhere, by what pyarrow says of it. Pure.

Its servers answer in codes (``AWS Error ACCESS_DENIED during HeadObject operation: No response body``), which pyarrow
hands on as they came.
"""

from __future__ import annotations

import re

_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
    "abfss": "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
}
"""Where credentials come from, by the scheme of an address."""
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|Bucket '.*' not found|specified bucket does not exist|ContainerNotFound", re.I)
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN|MISSING_AUTHENTICATION"
    r"|EXPIRED_?TOKEN|HTTP status 40[013]\b|UNAUTHENTICATED|PERMISSION_DENIED|AuthenticationFailed"
    r"|Authorization(Failure|PermissionMismatch)|NoAuthenticationInformation|could not .*credentials",
    re.I,
)
_ELSEWHERE = re.compile(r"HTTP status 30[17]\b|PERMANENT_?REDIRECT", re.I)
_BUSY = re.compile(
    r"SLOW_?DOWN|HTTP status (429|5\d\d)\b|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|NETWORK_CONNECTION|REQUEST_TIMEOUT"
    r"|THROTTLING|curlCode|timed? ?out|\bUNAVAILABLE\b|DEADLINE_EXCEEDED",
    re.I,
)
_NOTHING = re.compile(r"does not exist|No such file|NOT_FOUND|NO_SUCH_KEY|RESOURCE_NOT_FOUND", re.I)


def advice(address: str, said: str) -> str:
    """What to do; empty where nothing more is known than what was said.

    >>> advice("s3://b/rows", "AWS Error SLOW_DOWN during ListObjectsV2 operation")
    'its server has too much to do or is out of reach, at every try: the same command goes on later'
    """
    if _NO_BUCKET.search(said):
        return "make the bucket, or correct its name, `region=` and `endpoint_override=` in the address"
    if _ELSEWHERE.search(said):
        return "the bucket lies elsewhere: add ?region=NAME to the address"
    if _BUSY.search(said):
        return "its server has too much to do or is out of reach, at every try: the same command goes on later"
    scheme = address.partition("://")[0]
    if scheme in _KEYS and _REFUSED.search(said):
        return (
            f"are the credentials right and in date ({_KEYS[scheme]}: of this machine and of each node), and may they "
            "list, read, write and delete there?"
        )
    if _NOTHING.search(said):
        return "is the address right?"
    return ""
