"""Calls to Bedrock, written by LiteLLM and signed by botocore over the body that we send.

Whatever gives out AWS's keys (variables, profiles, roles, single sign-on, the machine) is asked by LiteLLM and botocore
in a thread, and asked again before what it gave ends (``credentials.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from star_agents.agents.transports.credentials import (
    Credentials,
    CredentialsByName,
    CredentialsRefused,
    CredentialsUnavailable,
    Fetched,
    error_text,
    from_environment,
    non_empty_strings,
)
from star_agents.agents.transports.litellm_capture import Deferred, NotCaptured
from star_agents.agents.transports.litellm_translations import (
    Translation,
    converse_body,
    new_translation,
    plain_headers,
)

_GIVEN_FOR_GOOD = ("explicit", "env")
"""How keys came that do not change while the process runs."""
_SAYS_NO = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ConfigParseError", "InvalidConfigError"}
    | {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "ParamValidationError"}
)
"""Botocore's exceptions after which another try would end alike."""
_SAYS_NO_BY_CODE = frozenset(
    {"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"}
    | {"InvalidIdentityToken", "SignatureDoesNotMatch", "UnrecognizedClientException", "ValidationError"}
)
"""Codes of AWS's token service that mean the same."""


def converse(litellm: ModuleType, owner: Any, given: dict[str, Any], known: CredentialsByName) -> Translation:
    """``BedrockConverseLLM.async_completion``."""
    url, optional = given["api_base"], given["optional_params"]
    region = given["litellm_params"].get("aws_region_name") or "us-west-2"
    authorise = _signer(owner, url, region, given["api_key"])
    return new_translation(
        given,
        litellm.AmazonConverseConfig(),
        "bedrock",
        url,
        given["headers"],
        optional,
        converse_body,
        json_mode=bool(optional.get("json_mode", False)),
        credentials=_credentials(given["credentials"], known),
        authorise=authorise,
    )


def invoke(config: Any, url: str, given: Mapping[str, Any], known: CredentialsByName) -> dict[str, Any]:
    """What a translation of ``BaseLLMHTTPHandler.completion`` has beside the rest where the call goes to Bedrock.

    Raises:
        NotCaptured: The config signs in a way of its own.
    """
    from litellm.llms.bedrock.base_aws_llm import bedrock_bearer_token  # noqa: PLC0415  LiteLLM is loaded by now
    from litellm.llms.bedrock.chat.invoke_transformations.base_invoke_transformation import (  # noqa: PLC0415
        AmazonInvokeConfig,
    )
    from litellm.types.llms.bedrock import AwsAuthParams  # noqa: PLC0415

    if type(config).sign_request is not AmazonInvokeConfig.sign_request:
        raise NotCaptured("since it signs its requests in a way of its own")
    optional, key = given["optional_params"], given.get("api_key")
    region = config._get_aws_region_name(optional_params=optional, model=given["model"])
    is_by_key = bedrock_bearer_token(key) is not None
    deferred = None if is_by_key else config.resolve_credentials(AwsAuthParams.model_validate(optional), region)
    return {"credentials": _credentials(deferred, known), "authorise": _signer(config, url, region, key)}


def _signer(
    owner: Any, url: str, region: str, key: str | None
) -> Callable[[Any, bytes, Mapping[str, str]], Mapping[str, str]]:
    def sign(credentials: Any, body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        prepared = owner.get_request_headers(
            credentials=credentials,
            aws_region_name=region,
            extra_headers=headers,
            endpoint_url=url,
            data=body,
            headers=dict(headers),
            api_key=key,
        )
        return plain_headers(prepared.headers)

    return sign


def _credentials(deferred: Deferred | None, known: CredentialsByName) -> Credentials | None:
    """``None`` where the calls go with a key of Bedrock's."""
    if deferred is None:
        return None
    arguments = {name: value for name, value in deferred.arguments.items() if name != "self" and value is not None}
    key = ("aws", repr(sorted(arguments.items())))
    return known.get(key, "whoever gives out the AWS keys", _Keys(deferred.arguments["self"], arguments).fetched)


class _Keys:
    """Where the keys of one endpoint come from.

    Args:
        owner: Of LiteLLM, which finds them.
        arguments: What it finds them by.
    """

    def __init__(self, owner: Any, arguments: Mapping[str, Any]) -> None:
        self._owner = owner
        self._arguments = arguments
        self._renewing: Any = None
        """Of botocore, which renews them by itself a quarter of an hour before their end, where they have one."""

    def fetched(self) -> Fetched:
        """Keys as they are now. This blocks, for as long as botocore waits for AWS or for the machine."""
        renewing, self._renewing = self._renewing, None
        try:
            found = renewing if renewing is not None else self._found()
            keys = None if found is None else found.get_frozen_credentials()
        except CredentialsRefused:
            raise
        except Exception as error:
            raise _readable(error) from None
        if keys is None or not keys.access_key or not keys.secret_key:
            raise CredentialsRefused(
                "no AWS keys were found in variables, files, roles or on the machine: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or name a profile or role in `extra`"
            )
        if hasattr(found, "refresh_needed"):
            self._renewing = found
        is_for_good = type(found).__name__ == "Credentials" and found.method in _GIVEN_FOR_GOOD
        return Fetched(
            value=keys,
            lasts_s=math.inf if is_for_good and not keys.token else None,
            secrets=non_empty_strings((keys.secret_key, keys.token)),
        )

    def _found(self) -> Any:
        return self._owner.get_credentials(**{name: from_environment(value) for name, value in self._arguments.items()})


def _readable(error: Exception) -> Exception:
    said = error_text(str(error))
    names = {cls.__name__ for cls in type(error).__mro__}
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, Mapping) else None
    status = getattr(error, "status_code", 500)
    is_refusal = bool(names & _SAYS_NO) or code in _SAYS_NO_BY_CODE or isinstance(error, (ValueError, KeyError))
    if is_refusal or (isinstance(status, int) and status < 500):
        return CredentialsRefused(said)
    return CredentialsUnavailable(f"{type(error).__name__}: {said}")
