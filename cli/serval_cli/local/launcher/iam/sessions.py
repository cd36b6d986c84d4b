"""Credentials of roles, for programs other than the emulator's functions."""

import hashlib
import secrets
from typing import Any


class Sessions:
    """Opens sessions of roles that last as long as the stage."""

    def __init__(self, sts: Any) -> None:
        self._sts, self._secret = sts, secrets.token_hex()

    def environment(self, role: str, name: str) -> dict[str, str]:
        """Return the credentials of a role, given by its ARN, as variables for an SDK.

        Parameters
        ----------
        name
            Who uses the credentials; the same name gets the same session again.
        """
        account, role_name = role.split(":")[4], role.rpartition("/")[2]
        digest = hashlib.sha256(f"{self._secret} {role} {name}".encode()).hexdigest()
        key, secret, token = f"ASIA{digest[:16].upper()}", digest[16:], digest[::-1]
        session = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{name}",
            "UserId": f"{role_name}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        }
        self._sts.register_session(key, session)
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }
