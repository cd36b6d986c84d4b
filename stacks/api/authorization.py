"""How callers are authorised: in the functions, or by an authorizer of API Gateway."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from aws_cdk.aws_apigatewayv2 import IHttpRouteAuthorizer
from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer, HttpJwtAuthorizer

from stacks.stage.context import Context

ISSUER = re.compile(r"https://[^\s/]+(/\S*)?")
AUDIENCES = re.compile(r"[^\s,]+(,[^\s,]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """How a stage authorises callers: context ``auth``, ``jwt_issuer`` and ``jwt_audience``."""

    method: str = "key"
    """``key``: API keys, checked in each function; ``iam`` and ``jwt``: at the gateway."""
    jwt_issuer: str = ""
    jwt_audiences: tuple[str, ...] = ()

    @classmethod
    def from_context(cls, context: Context) -> Self:
        """Read the stage's choice, or raise ``InvalidContext``."""
        method = context.choice("auth", ("key", "iam", "jwt"))
        if method != "jwt":
            return cls(method=method)
        issuer = context.text("jwt_issuer", "", ISSUER, "auth is jwt: the issuer's https URL")
        audiences = context.text(
            "jwt_audience", "", AUDIENCES, "auth is jwt: its audiences, split by commas"
        )
        return cls(method=method, jwt_issuer=issuer, jwt_audiences=tuple(audiences.split(",")))

    @property
    def authentication(self) -> Literal["key", "gateway"]:
        """The functions' setting of this name."""
        return "key" if self.method == "key" else "gateway"

    def authorizer(self) -> IHttpRouteAuthorizer | None:
        """Return the gateway's authorizer; None if the functions check API keys."""
        match self.method:
            case "iam":
                return HttpIamAuthorizer()
            case "jwt":
                return HttpJwtAuthorizer(
                    "Jwt", self.jwt_issuer, jwt_audience=list(self.jwt_audiences)
                )
            case _:
                return None
