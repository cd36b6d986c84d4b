"""The endpoints of async requests: whose function answers which."""

from serval.http.dispatch import Endpoint

MODEL = "/async/models/{model}"
MODEL_VERSION = "/async/models/{model}/versions/{version}"
REQUEST = "/async/requests/{id}"
INFER = (Endpoint("POST", f"{MODEL}/infer"), Endpoint("POST", f"{MODEL_VERSION}/infer"))
UPLOADS = (Endpoint("POST", f"{MODEL}/uploads"), Endpoint("POST", f"{MODEL_VERSION}/uploads"))
PUT, RETRY = Endpoint("PUT", REQUEST), Endpoint("POST", f"{REQUEST}/retry")
GET, CANCEL = Endpoint("GET", REQUEST), Endpoint("DELETE", REQUEST)
LIST = Endpoint("GET", "/async/requests")
SUBMIT = (*INFER, *UPLOADS, PUT, RETRY)
"""Of the function ``submit``."""
REQUESTS = (GET, CANCEL, LIST)
"""Of the function ``requests``."""
