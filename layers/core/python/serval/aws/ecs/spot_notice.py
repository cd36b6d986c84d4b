"""EC2's notice that a spot machine is about to be reclaimed: the instance metadata, version 2.

Specification: "Spot Instance interruption notices", Amazon EC2 User Guide.
"""

from dataclasses import dataclass

import httpx

ADDRESS = "http://169.254.169.254"
TOKEN_SECONDS = 300
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class InstanceMetadata:
    """``SpotNotices`` of this machine."""

    address: str = ADDRESS
    timeout_seconds: float = TIMEOUT_SECONDS

    def due(self) -> bool:
        """Return whether EC2 has given notice; without an answer there is none."""
        try:
            with httpx.Client(
                base_url=self.address, timeout=self.timeout_seconds, trust_env=False
            ) as client:
                seconds = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
                token = client.put("/latest/api/token", headers=seconds)
                token.raise_for_status()
                answer = client.get(
                    "/latest/meta-data/spot/instance-action",
                    headers={"X-aws-ec2-metadata-token": token.text},
                )
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK
