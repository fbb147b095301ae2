"""Signs the request of a login body with botocore and the same keys: the signatures must be equal."""

import base64
import datetime
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

login, keys = json.loads(sys.argv[1]), json.loads(sys.argv[2])
headers = {name: values[0] for name, values in json.loads(base64.b64decode(login["iam_request_headers"])).items()}
said = headers.pop("Authorization")
url, body = (base64.b64decode(login[key]).decode() for key in ("iam_request_url", "iam_request_body"))
request = AWSRequest(method=login["iam_http_request_method"], url=url, data=body, headers=headers)
signer = SigV4Auth(Credentials(keys["id"], keys["secret"], keys.get("session")), "sts", keys["region"])
request.context["timestamp"] = headers["X-Amz-Date"]
canonical = signer.canonical_request(request)
signature = signer.signature(signer.string_to_sign(request, canonical), request)
names = signer.signed_headers(signer.headers_to_sign(request))
scope = signer.scope(request)
made = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"
assert said == made, (said, made)
signed_at = datetime.datetime.strptime(headers["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
age = datetime.datetime.now(datetime.timezone.utc) - signed_at
assert abs(age.total_seconds()) < 60, age
print(json.dumps({"url": url, "body": body, "headers": {name.lower(): value for name, value in headers.items()}}))
